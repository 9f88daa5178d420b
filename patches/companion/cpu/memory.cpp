// Memory of the CPU flavour: one address space for hosts and virtual devices, aligned for vectors (companion-native 7.4).
#include <cuda_runtime.h>

#include <algorithm>
#include <limits>

#include "../common/environment.h"
#include "errors.h"

namespace {

const size_t ALIGNMENT = 64;

// Memory that nothing was written to holds NaN if asked, so that a read before the first write shows (hazard R1).
bool poisons() {
    static const bool poison = companion::environmentNumber("ALEXNET_ARCHIVE_CPU_POISON", 0) != 0;
    return poison;
}

cudaError_t allocate(void** pointer, size_t bytes) {
    *pointer = nullptr;
    if (bytes == 0) {
        return cudaSuccess;
    }
    if (posix_memalign(pointer, ALIGNMENT, bytes) != 0) {
        *pointer = nullptr;
        return companion_cpu::remember(cudaErrorMemoryAllocation);
    }
    if (poisons()) {
        float* const first = static_cast<float*>(*pointer);
        std::fill(first, first + bytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
    }
    return cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes); }

cudaError_t cudaFree(void* pointer) {
    free(pointer);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) { return allocate(pointer, bytes); }

cudaError_t cudaFreeHost(void* pointer) {
    free(pointer);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind) {
    if (bytes > 0) {
        memmove(target, source, bytes);
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpyPeer(void* target, int, const void* source, int, size_t bytes) {
    return cudaMemcpy(target, source, bytes, cudaMemcpyDefault);
}

cudaError_t cudaMemcpy2D(void* target, size_t targetPitch, const void* source, size_t sourcePitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
    if (width > targetPitch || width > sourcePitch) {
        return companion_cpu::remember(cudaErrorInvalidValue);
    }
    for (size_t line = 0; line < height; line++) {
        cudaMemcpy(static_cast<char*>(target) + line * targetPitch, static_cast<const char*>(source) + line * sourcePitch,
                   width, kind);
    }
    return cudaSuccess;
}

cudaError_t cudaMemset(void* pointer, int value, size_t bytes) {
    if (bytes > 0) {
        memset(pointer, value, bytes);
    }
    return cudaSuccess;
}
