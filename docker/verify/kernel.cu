// What a toolchain must compile for every sm of its row: C++14, a template kernel, atomics on float, barriers and warp shuffles,
// device printf, a virtual device function (companion-native 8, H12), and cuBLAS v2 on the host side.
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <curand_kernel.h>
#include <stdio.h>

struct Functor {
    __device__ virtual float apply(float value) const { return value; }
};

struct Half : public Functor {
    __device__ float apply(float value) const override { return 0.5f * value; }
};

template <class Operator, int threads>
__global__ void reduce(const float* in, float* out, int n, Operator op) {
    __shared__ float partial[threads];
    float sum = 0;
    for (int i = blockIdx.x * threads + threadIdx.x; i < n; i += gridDim.x * threads) {
        sum += op.apply(__expf(in[i]));
    }
    partial[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = partial[threadIdx.x] + partial[threadIdx.x + 32];
        for (int step = 16; step > 0; step /= 2) {
            sum += __shfl_down_sync(0xffffffffu, sum, step);
        }
        if (threadIdx.x == 0) {
            if (sum != sum) {
                printf("not a number in block %u\n", blockIdx.x);
            }
            atomicAdd(out, sum);
        }
    }
}

extern "C" int toolchain_check(const float* in, float* out, int n) {
    reduce<Half, 64><<<dim3(4), dim3(64)>>>(in, out, n, Half());
    cublasHandle_t handle;
    const float one = 1, zero = 0;
    if (cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS) {
        return 1;
    }
    cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_T, 1, 1, n, &one, in, 1, in, 1, &zero, out, 1);
    cublasDestroy(handle);
    return cudaGetLastError() != cudaSuccess;
}
