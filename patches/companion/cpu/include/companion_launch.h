// How the CPU flavour runs a __global__ function: a loop over blocks (in parallel), inside it a loop over the block's
// threads, and fibers for blocks whose threads meet at a barrier. `assembly/launches.py` turns `kernel<<<...>>>(...)`
// into COMPANION_LAUNCH. Checked against companion-native 7.3 and 7.4; held by tests/core/cpu_runtime.cu.
#ifndef COMPANION_CPU_LAUNCH_H
#define COMPANION_CPU_LAUNCH_H

namespace companion_cpu {

// The built-in variables of the thread being run. initial-exec: read in every kernel's innermost loop.
#define COMPANION_BUILTIN extern __thread __attribute__((tls_model("initial-exec")))
COMPANION_BUILTIN uint3 currentThread;
COMPANION_BUILTIN uint3 currentBlock;
COMPANION_BUILTIN uint3 currentBlockSize;
COMPANION_BUILTIN uint3 currentGrid;
#undef COMPANION_BUILTIN

// One thread's work: the kernel call with its arguments bound; the index comes from the built-in variables.
class Task {
public:
    virtual void run() = 0;

protected:
    ~Task() {}
};

// The calling thread meets the others of its block. A block in which only some threads arrive ends the program.
void syncThreads();

// The block's dynamic shared memory: what `extern __shared__ T name[];` becomes.
void* dynamicShared();

// One slot of `bytes` for each thread of the block.
void* warpSlots(size_t bytes);

// A launch with an empty grid or more than 1024 threads per block sets cudaErrorInvalidConfiguration, as on a GPU.
bool launchIsValid(dim3 grid, dim3 block);

// Runs the block with linear index `index`; task.run() is called once for each thread of the block.
void runBlock(dim3 grid, dim3 block, size_t sharedBytes, long index, Task& task);

// Number of threads for one parallel loop of the calling thread: ALEXNET_ARCHIVE_CPU_THREADS, else the processors this
// process may use, shared among the devices in use. No result of the companion depends on it.
int threads();

template <class Function, Function function>
class Kernel;

template <class... Parameters, void (*function)(Parameters...)>
class Kernel<void (*)(Parameters...), function> {
public:
    Kernel(dim3 grid, dim3 block, size_t sharedBytes = 0, cudaStream_t = nullptr)
        : _grid(grid), _block(block), _sharedBytes(sharedBytes) {}

    // Arguments are converted to the kernel's parameters once, as in a real launch.
    void operator()(Parameters... arguments) const {
        if (!launchIsValid(_grid, _block)) {
            return;
        }
        auto call = [&]() { function(arguments...); };
        const long blocks = static_cast<long>(_grid.x) * _grid.y * _grid.z;
#pragma omp parallel for schedule(static) num_threads(threads()) if (blocks > 1)
        for (long index = 0; index < blocks; index++) {
            Bound<decltype(call)> task(call);
            runBlock(_grid, _block, _sharedBytes, index, task);
        }
    }

private:
    template <class Call>
    class Bound final : public Task {
    public:
        explicit Bound(Call& call) : _call(call) {}
        void run() override { _call(); }

    private:
        Call& _call;
    };

    dim3 _grid;
    dim3 _block;
    size_t _sharedBytes;
};

}  // namespace companion_cpu

#define threadIdx (::companion_cpu::currentThread)
#define blockIdx (::companion_cpu::currentBlock)
#define blockDim (::companion_cpu::currentBlockSize)
#define gridDim (::companion_cpu::currentGrid)

inline void __syncthreads() { ::companion_cpu::syncThreads(); }

// The value of the thread `distance` further on in the warp of 32; all threads of the block's warps that still run take
// part, which is what the companion's own kernels do.
template <class T>
inline T __shfl_down_sync(unsigned int, T value, unsigned int distance, int width = 32) {
    T* const slots = static_cast<T*>(::companion_cpu::warpSlots(sizeof(T)));
    const unsigned int mine =
        threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * static_cast<unsigned int>(threadIdx.z));
    slots[mine] = value;
    __syncthreads();
    const T found = mine % width + distance < static_cast<unsigned int>(width) ? slots[mine + distance] : value;
    __syncthreads();
    return found;
}

// The kernel comes last because a template-id may hold commas:
// COMPANION_LAUNCH(grid, block, sharedBytes, stream, name<128, false>)(arguments)
#define COMPANION_LAUNCH(grid, block, sharedBytes, stream, ...) \
    ::companion_cpu::Kernel<decltype(&__VA_ARGS__), &__VA_ARGS__>(grid, block, sharedBytes, stream)

#endif
