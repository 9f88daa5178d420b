// The CPU flavour's CUDA run-time: devices, memory, errors, launches and barriers (companion-native 7.1 to 7.4).
#include <cuda.h>
#include <cublas.h>
#include <cuda_runtime.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

#include "check.h"

namespace {

// The exit status of a child process that runs `body`; 128 + signal if it was killed. Its messages are not shown.
template <class Body>
int statusOf(Body body) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == nullptr) {
            _exit(99);
        }
        body();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

__global__ void kIndex(unsigned int* seen) {
    const unsigned int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    seen[block * (blockDim.x * blockDim.y * blockDim.z) + thread] += 1;
}

template <int B, bool add>
__global__ void kScale(float* values, const float factor, int n) {
    for (unsigned int i = blockIdx.x * B + threadIdx.x; i < static_cast<unsigned int>(n); i += gridDim.x * B) {
        values[i] = add ? values[i] + factor : values[i] * factor;
    }
}

__global__ void kShared(int* results) {
    __shared__ ushort2 first;
    if (threadIdx.x == 0) {
        first.x = 10 * blockIdx.x;
        first.y = blockDim.x;
    }
    __syncthreads();
    results[blockIdx.x * first.y + threadIdx.x] = first.x + static_cast<int>(threadIdx.x);
}

// Each thread needs its neighbour's number before the neighbour takes it back: a barrier is missing between the two.
template <int B, int neighbour>
__global__ void kForgetful(int* values) {
    __shared__ int tile[B];
    const int next = static_cast<int>(threadIdx.x) + neighbour;
    tile[threadIdx.x] = 1;
    __syncthreads();
    values[threadIdx.x] = next >= 0 && next < B ? tile[next] : 1;
    tile[threadIdx.x] = 0;
}

// Every thread needs what all the others wrote, several times over.
template <int B>
__global__ void kReverse(int* values, int rounds) {
    __shared__ int tile[B];
    int* const mine = values + blockIdx.x * B;
    for (int round = 0; round < rounds; round++) {
        tile[threadIdx.x] = mine[threadIdx.x];
        __syncthreads();
        mine[threadIdx.x] = tile[B - 1 - threadIdx.x] + 1;
        __syncthreads();
    }
}

template <int B>
__global__ void kTreeSum(const float* values, float* sums) {
    // What `extern __shared__ volatile float partial[];` is rewritten to.
    volatile float* const partial = static_cast<volatile float*>(::companion_cpu::dynamicShared());
    partial[threadIdx.x] = values[blockIdx.x * B + threadIdx.x];
    __syncthreads();
    for (int half = B / 2; half > 0; half /= 2) {
        if (static_cast<int>(threadIdx.x) < half) {
            partial[threadIdx.x] = partial[threadIdx.x] + partial[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = partial[0];
    }
}

__global__ void kEarlyExit(int* values, int* sums, int n) {
    if (static_cast<int>(threadIdx.x) >= n) {
        return;
    }
    values[threadIdx.x] = 1;
    __syncthreads();
    sums[threadIdx.x] = values[threadIdx.x] + values[n - 1 - threadIdx.x];
}

__global__ void kDown(int* values) {
    int& mine = values[blockIdx.x * 96 + threadIdx.y * 24 + threadIdx.x];
    mine = __shfl_down_sync(0xffffffffu, mine, 5);
}

__global__ void kBroken(int* values) {
    values[threadIdx.x] = 1;
    if (threadIdx.x > 0) {
        __syncthreads();
    }
}

}  // namespace

CASE(every_thread_of_every_block_runs_once) {
    const dim3 grid(3, 2, 4), block(5, 3, 2);
    const size_t count = 24 * 30;
    std::vector<unsigned int> seen(count, 0);
    COMPANION_LAUNCH(grid, block, 0, 0, kIndex)(seen.data());
    CHECK(std::count(seen.begin(), seen.end(), 1u) == static_cast<long>(count));
    CHECK_EQUAL(static_cast<int>(cudaGetLastError()), static_cast<int>(cudaSuccess));
}

CASE(template_kernels_and_converted_arguments) {
    std::vector<float> values(1000, 1.0f);
    COMPANION_LAUNCH(4, 32, 0, 0, kScale<32, true>)(values.data(), 2, 1000L);
    COMPANION_LAUNCH(dim3(2), dim3(16), 0, 0, kScale<16, false>)(values.data(), 3.0, 1000);
    CHECK(std::count(values.begin(), values.end(), 9.0f) == 1000);
    CHECK_EQUAL(static_cast<int>(cudaFuncSetCacheConfig(kScale<32, true>, cudaFuncCachePreferL1)), 0);
}

CASE(shared_variables_belong_to_the_block) {
    std::vector<int> results(64 * 48, -1);
    COMPANION_LAUNCH(64, 48, 0, 0, kShared)(results.data());
    for (int e = 0; e < 64 * 48; e++) {
        CHECK_EQUAL(results[e], 10 * (e / 48) + e % 48);
    }
}

CASE(barriers_let_all_threads_see_all_writes) {
    const int blocks = 9, rounds = 5;
    std::vector<int> values(blocks * 256), expected;
    for (size_t e = 0; e < values.size(); e++) {
        values[e] = static_cast<int>(e);
    }
    expected = values;
    COMPANION_LAUNCH(blocks, 256, 0, 0, kReverse<256>)(values.data(), rounds);
    for (int round = 0; round < rounds; round++) {
        for (int b = 0; b < blocks; b++) {
            std::reverse(expected.begin() + b * 256, expected.begin() + (b + 1) * 256);
        }
        for (int& e : expected) {
            e++;
        }
    }
    CHECK(values == expected);
}

CASE(dynamic_shared_memory_and_tree_sums) {
    std::vector<float> values(6 * 128), sums(6, 0);
    for (size_t e = 0; e < values.size(); e++) {
        values[e] = static_cast<float>(e % 17);
    }
    COMPANION_LAUNCH(6, 128, 128 * sizeof(float), 0, kTreeSum<128>)(values.data(), sums.data());
    for (int b = 0; b < 6; b++) {
        float expected = 0;
        for (int t = 0; t < 128; t++) {
            expected += values[b * 128 + t];
        }
        CHECK_CLOSE(sums[b], expected, 0);
    }
}

CASE(threads_may_leave_before_a_barrier) {
    std::vector<int> values(8, 0), sums(8, 0);
    COMPANION_LAUNCH(1, 8, 0, 0, kEarlyExit)(values.data(), sums.data(), 5);
    for (int t = 0; t < 8; t++) {
        CHECK_EQUAL(sums[t], t < 5 ? 2 : 0);
    }
}

CASE(a_barrier_that_the_first_thread_misses_ends_the_program) {
    std::vector<int> values(4, 0);
    CHECK(statusOf([&]() { COMPANION_LAUNCH(1, 4, 0, 0, kBroken)(values.data()); }) > 128);
    CHECK_EQUAL(statusOf([]() {}), 0);
}

CASE(launches_that_no_gpu_takes_are_errors) {
    std::vector<unsigned int> seen(1, 0);
    COMPANION_LAUNCH(0, 32, 0, 0, kIndex)(seen.data());
    CHECK_EQUAL(static_cast<int>(cudaGetLastError()), static_cast<int>(cudaErrorInvalidConfiguration));
    COMPANION_LAUNCH(1, dim3(1024, 2), 0, 0, kIndex)(seen.data());
    CHECK_EQUAL(static_cast<int>(cudaPeekAtLastError()), static_cast<int>(cudaErrorInvalidConfiguration));
    CHECK_EQUAL(static_cast<int>(cudaGetLastError()), static_cast<int>(cudaErrorInvalidConfiguration));
    CHECK_EQUAL(static_cast<int>(cudaGetLastError()), static_cast<int>(cudaSuccess));
    CHECK_EQUAL(seen[0], 0u);
}

CASE(the_device_count_comes_from_the_environment) {
    setenv("ALEXNET_ARCHIVE_CPU_DEVICES", "3", 1);
    int count = 0;
    CHECK_EQUAL(static_cast<int>(cudaGetDeviceCount(&count)), 0);
    CHECK_EQUAL(count, 3);
    CHECK_EQUAL(static_cast<int>(cudaSetDevice(3)), static_cast<int>(cudaErrorInvalidDevice));
    CHECK_EQUAL(static_cast<int>(cudaSetDevice(-1)), static_cast<int>(cudaErrorInvalidDevice));
    CHECK_EQUAL(static_cast<int>(cudaSetDevice(2)), 0);
    int device = -1;
    cudaGetDevice(&device);
    CHECK_EQUAL(device, 2);
    cudaGetLastError();
}

CASE(a_malformed_environment_variable_ends_the_program) {
    const char* const values[] = {"two", "-1", "3x", " 4", "99999999999999999999"};
    for (const char* value : values) {
        CHECK_EQUAL(statusOf([&]() {
                        setenv("ALEXNET_ARCHIVE_CPU_DEVICES", value, 1);
                        int count = 0;
                        cudaGetDeviceCount(&count);
                    }),
                    EXIT_FAILURE);
    }
}

CASE(a_missing_barrier_shows_in_one_order_of_the_threads) {
    const auto sums = [](const char* reverse) {
        return statusOf([&]() {
            setenv("ALEXNET_ARCHIVE_CPU_REVERSE", reverse, 1);
            std::vector<int> after(32, -1), before(32, -1);
            COMPANION_LAUNCH(1, 32, 0, 0, kForgetful<32, 1>)(after.data());
            COMPANION_LAUNCH(1, 32, 0, 0, kForgetful<32, -1>)(before.data());
            _exit(std::accumulate(after.begin(), after.end(), 0) == 32 ? 1
                  : std::accumulate(before.begin(), before.end(), 0) == 32 ? 2 : 3);
        });
    };
    CHECK_EQUAL(sums("0"), 1);
    CHECK_EQUAL(sums("1"), 2);
}

CASE(each_thread_has_its_device_and_its_last_error) {
    cudaSetDevice(1);
    int inside = -1, error = -1;
    std::thread other([&]() {
        cudaGetDevice(&inside);
        cudaSetDevice(1 << 20);
        error = cudaPeekAtLastError();
    });
    other.join();
    int device = -1;
    cudaGetDevice(&device);
    CHECK_EQUAL(inside, 0);
    CHECK_EQUAL(device, 1);
    CHECK_EQUAL(error, static_cast<int>(cudaErrorInvalidDevice));
    CHECK_EQUAL(static_cast<int>(cudaGetLastError()), 0);
}

CASE(peer_access_is_on_by_default_and_enabled_once) {
    int can = -1;
    CHECK_EQUAL(static_cast<int>(cudaDeviceCanAccessPeer(&can, 0, 1)), 0);
    CHECK_EQUAL(can, 1);
    cudaDeviceCanAccessPeer(&can, 1, 1);
    CHECK_EQUAL(can, 0);
    cudaSetDevice(0);
    CHECK_EQUAL(static_cast<int>(cudaDeviceEnablePeerAccess(1, 0)), 0);
    CHECK_EQUAL(static_cast<int>(cudaDeviceEnablePeerAccess(1, 0)), static_cast<int>(cudaErrorPeerAccessAlreadyEnabled));
    CHECK_EQUAL(static_cast<int>(cudaDeviceEnablePeerAccess(0, 0)), static_cast<int>(cudaErrorInvalidDevice));
    CHECK_EQUAL(static_cast<int>(cudaDeviceEnablePeerAccess(1, 1)), static_cast<int>(cudaErrorInvalidValue));
    cudaGetLastError();
}

CASE(peer_access_can_be_switched_off) {
    setenv("ALEXNET_ARCHIVE_CPU_PEER_ACCESS", "0", 1);
    int can = -1;
    CHECK_EQUAL(statusOf([&]() {
                    const bool refused = cudaDeviceCanAccessPeer(&can, 0, 1) == cudaSuccess && can == 0 &&
                                         cudaDeviceEnablePeerAccess(1, 0) == cudaErrorPeerAccessUnsupported;
                    _exit(refused ? 7 : 8);
                }),
                7);
    unsetenv("ALEXNET_ARCHIVE_CPU_PEER_ACCESS");
}

CASE(memory_is_aligned_copied_and_may_be_empty) {
    int* numbers = nullptr;
    CHECK_EQUAL(static_cast<int>(cudaMalloc(&numbers, 7 * sizeof(int))), 0);
    CHECK(reinterpret_cast<uintptr_t>(numbers) % 64 == 0);
    const int given[7] = {3, 1, 4, 1, 5, 9, 2};
    int back[7] = {};
    cudaMemcpy(numbers, given, sizeof(given), cudaMemcpyHostToDevice);
    cudaMemcpy(back, numbers, sizeof(given), cudaMemcpyDefault);
    CHECK(std::equal(given, given + 7, back));
    CHECK_EQUAL(static_cast<int>(cudaFree(numbers)), 0);
    float** table = nullptr;
    CHECK_EQUAL(static_cast<int>(cudaHostAlloc(&table, 0, cudaHostAllocPortable)), 0);
    CHECK(table == nullptr);
    CHECK_EQUAL(static_cast<int>(cudaFreeHost(table)), 0);
    CHECK_EQUAL(static_cast<int>(cudaHostAlloc(&table, 8, cudaHostAllocPortable)), 0);
    CHECK(table != nullptr);
    cudaFreeHost(table);
}

CASE(memory_knows_its_device) {
    float *device = nullptr, *host = nullptr, local = 0;
    cudaSetDevice(2);
    cudaMalloc(&device, 100 * sizeof(float));
    cudaHostAlloc(&host, 8, cudaHostAllocPortable);
    cudaSetDevice(0);
    cudaPointerAttributes attributes;
    CHECK_EQUAL(static_cast<int>(cudaPointerGetAttributes(&attributes, device + 99)), 0);
    CHECK_EQUAL(static_cast<int>(attributes.type), static_cast<int>(cudaMemoryTypeDevice));
    CHECK_EQUAL(attributes.device, 2);
    cudaPointerGetAttributes(&attributes, device + 100);
    CHECK(attributes.devicePointer != device + 100);
    cudaPointerGetAttributes(&attributes, host);
    CHECK_EQUAL(static_cast<int>(attributes.type), static_cast<int>(cudaMemoryTypeHost));
    cudaPointerGetAttributes(&attributes, &local);
    CHECK_EQUAL(static_cast<int>(attributes.type), static_cast<int>(cudaMemoryTypeUnregistered));
    CHECK_EQUAL(static_cast<int>(cudaFree(host)), static_cast<int>(cudaErrorInvalidValue));
    CHECK_EQUAL(static_cast<int>(cudaFreeHost(host)), 0);
    CHECK_EQUAL(static_cast<int>(cudaFree(device)), 0);
    CHECK_EQUAL(static_cast<int>(cudaFree(device)), static_cast<int>(cudaErrorInvalidValue));
    cudaGetLastError();
}

CASE(values_move_down_the_warp) {
    std::vector<int> values(2 * 96), expected(2 * 96);
    for (int e = 0; e < 192; e++) {
        values[e] = e * e;
        expected[e] = e % 32 + 5 < 32 ? (e + 5) * (e + 5) : e * e;
    }
    COMPANION_LAUNCH(2, dim3(24, 4), 0, 0, kDown)(values.data());
    CHECK(values == expected);
}

CASE(strided_copies) {
    float from[12], to[20];
    for (int e = 0; e < 12; e++) {
        from[e] = static_cast<float>(e);
    }
    std::fill(to, to + 20, -1.0f);
    cudaMemcpy2D(to, 5 * sizeof(float), from, 4 * sizeof(float), 3 * sizeof(float), 3, cudaMemcpyDefault);
    CHECK_CLOSE(to[0], 0, 0);
    CHECK_CLOSE(to[7], 6, 0);
    CHECK_CLOSE(to[3], -1, 0);
    CHECK_CLOSE(to[15], -1, 0);
    CHECK_EQUAL(static_cast<int>(cudaMemcpy2D(to, 4, from, 4, 8, 1, cudaMemcpyDefault)),
                static_cast<int>(cudaErrorInvalidValue));
    cudaGetLastError();
}

CASE(fresh_memory_can_be_poisoned) {
    CHECK_EQUAL(statusOf([]() {
                    setenv("ALEXNET_ARCHIVE_CPU_POISON", "1", 1);
                    float* fresh = nullptr;
                    cudaMalloc(&fresh, 100 * sizeof(float));
                    _exit(std::count_if(fresh, fresh + 100, [](float x) { return std::isnan(x); }) == 100 ? 7 : 8);
                }),
                7);
}

CASE(intrinsics) {
    CHECK_CLOSE(__expf(0.5f), std::exp(0.5), 1e-6);
    CHECK_CLOSE(__logf(2.5f), std::log(2.5), 1e-6);
    CHECK_CLOSE(__fdividef(1.0f, 3.0f), 1.0 / 3, 1e-6);
    CHECK_EQUAL(min(3, -2), -2);
    CHECK_EQUAL(max(3, -2), 3);
    CHECK_CLOSE(max(0.5, 0.25), 0.5, 0);
    const dim3 one(7);
    CHECK_EQUAL(one.x * 100 + one.y * 10 + one.z, 711u);
}

CASE(errors_have_words) {
    CHECK(std::string(cudaGetErrorString(cudaErrorInvalidDevice)).find("ALEXNET_ARCHIVE_CPU_DEVICES") != std::string::npos);
    CHECK(std::string(cudaGetErrorName(cudaErrorMemoryAllocation)) == "cudaErrorMemoryAllocation");
    CHECK(cudaDeviceSynchronize() == cudaSuccess && cudaDeviceSetCacheConfig(cudaFuncCachePreferShared) == cudaSuccess);
}

TEST_MAIN
