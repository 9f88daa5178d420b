// Scratch memory of the CUDA flavour; see cuda_scratch.h.
#include "cuda_scratch.h"

#include <helper_cuda.h>

#include <map>

namespace companion {

namespace {

struct Buffer {
    void* data;
    size_t bytes;
};

}  // namespace

int currentDevice() {
    int device = 0;
    checkCudaErrors(cudaGetDevice(&device));
    return device;
}

// A buffer for each thread and device, kept for the life of the process: the threads of the release never end, and freeing
// at exit would call a run-time that may be gone. cudaFree waits for the kernels that still use the smaller one.
void* scratch(size_t bytes) {
    static thread_local std::map<int, Buffer>* const buffers = new std::map<int, Buffer>();
    Buffer& buffer = (*buffers)[currentDevice()];
    if (buffer.bytes < bytes) {
        checkCudaErrors(cudaFree(buffer.data));
        checkCudaErrors(cudaMalloc(&buffer.data, bytes));
        buffer.bytes = bytes;
    }
    return buffer.data;
}

int deviceOf(const void* pointer) {
    cudaPointerAttributes attributes;
    checkCudaErrors(cudaPointerGetAttributes(&attributes, pointer));
    return attributes.type == cudaMemoryTypeDevice ? attributes.device : -1;
}

}  // namespace companion
