// Memory of the CPU flavour: one address space for hosts and virtual devices, aligned for vectors (companion-native 7.4).
#include <cuda_runtime.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>

#include "../common/environment.h"
#include "errors.h"

namespace {

const size_t ALIGNMENT = 64;

// Memory that nothing was written to holds NaN if asked, so that a read before the first write shows (hazard R1).
bool poisons() {
    static const bool poison = companion::environmentNumber("ALEXNET_ARCHIVE_CPU_POISON", 0) != 0;
    return poison;
}

// Every allocation that lives, by its first byte.
struct Allocation {
    size_t bytes;
    cudaMemoryType type;
    int device;
};

std::mutex mutex;
std::map<const char*, Allocation>& allocations() {
    // Never destroyed: threads of the release outlive the program's end.
    static std::map<const char*, Allocation>* const all = new std::map<const char*, Allocation>();
    return *all;
}

cudaError_t allocate(void** pointer, size_t bytes, cudaMemoryType type) {
    *pointer = nullptr;
    if (bytes == 0) {
        return cudaSuccess;
    }
    if (posix_memalign(pointer, ALIGNMENT, bytes) != 0) {
        *pointer = nullptr;
        return companion_cpu::remember(cudaErrorMemoryAllocation);
    }
    Allocation allocation = {bytes, type, 0};
    cudaGetDevice(&allocation.device);
    {
        std::lock_guard<std::mutex> lock(mutex);
        allocations()[static_cast<char*>(*pointer)] = allocation;
    }
    if (poisons()) {
        float* const first = static_cast<float*>(*pointer);
        std::fill(first, first + bytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
    }
    return cudaSuccess;
}

// What was not allocated here, or as another kind, is an error, as on a GPU.
cudaError_t release(void* pointer, cudaMemoryType type) {
    if (pointer == nullptr) {
        return cudaSuccess;
    }
    {
        std::lock_guard<std::mutex> lock(mutex);
        const std::map<const char*, Allocation>::iterator found = allocations().find(static_cast<char*>(pointer));
        if (found == allocations().end() || found->second.type != type) {
            return companion_cpu::remember(cudaErrorInvalidValue);
        }
        allocations().erase(found);
    }
    free(pointer);
    return cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes, cudaMemoryTypeDevice); }

cudaError_t cudaFree(void* pointer) { return release(pointer, cudaMemoryTypeDevice); }

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) {
    return allocate(pointer, bytes, cudaMemoryTypeHost);
}

cudaError_t cudaFreeHost(void* pointer) { return release(pointer, cudaMemoryTypeHost); }

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    const char* const byte = static_cast<const char*>(pointer);
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->device = -1;
    attributes->devicePointer = nullptr;
    attributes->hostPointer = nullptr;
    std::lock_guard<std::mutex> lock(mutex);
    std::map<const char*, Allocation>::const_iterator after = allocations().upper_bound(byte);
    if (after == allocations().begin()) {
        return cudaSuccess;
    }
    --after;
    if (byte < after->first + after->second.bytes) {
        attributes->type = after->second.type;
        attributes->device = after->second.device;
        attributes->devicePointer = const_cast<char*>(byte);
        attributes->hostPointer = after->second.type == cudaMemoryTypeHost ? attributes->devicePointer : nullptr;
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind) {
    if (bytes > 0) {
        memmove(target, source, bytes);
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
    return cudaMemcpy(target, source, bytes, kind);
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
