// Rules of a machine with GPUs that the CPU run-time, whose devices share one memory and whose calls have finished when they
// return, lets pass: linked with --wrap for each copying call, this ends a program that breaks one.
#include <cuda_runtime.h>

namespace {

const int HOST = -1;

int ownerOf(const void* pointer) {
    cudaPointerAttributes attributes;
    cudaPointerGetAttributes(&attributes, pointer);
    return attributes.type == cudaMemoryTypeDevice ? attributes.device : HOST;
}

void require(bool holds, const char* call, const char* rule, const void* target, const void* source) {
    if (!holds) {
        int current = 0;
        cudaGetDevice(&current);
        fprintf(stderr, "%s from device %d to device %d with device %d current: %s\n", call, ownerOf(source), ownerOf(target),
                current, rule);
        abort();
    }
}

bool isCurrent(const void* pointer) {
    int current = 0;
    cudaGetDevice(&current);
    return ownerOf(pointer) == current;
}

// On the current device's stream, between its memory and the host's.
void requireOrdered(const char* call, const void* target, const void* source) {
    require(ownerOf(target) == HOST || isCurrent(target), call, "not ordered with the target's device", target, source);
    require(ownerOf(source) == HOST || isCurrent(source), call, "not ordered with the source's device", target, source);
}

}  // namespace

#define REAL(name) asm("__real_" name)
#define WRAP(name) asm("__wrap_" name)
#define COPY "_Z10cudaMemcpyPvPKvm14cudaMemcpyKind"
#define COPY_ASYNC "_Z15cudaMemcpyAsyncPvPKvm14cudaMemcpyKindP18CompanionCpuStream"
#define COPY_2D "_Z12cudaMemcpy2DPvmPKvmmm14cudaMemcpyKind"
#define COPY_PEER "_Z14cudaMemcpyPeerPviPKvim"

cudaError_t realCopy(void*, const void*, size_t, cudaMemcpyKind) REAL(COPY);
cudaError_t wrapCopy(void*, const void*, size_t, cudaMemcpyKind) WRAP(COPY);
cudaError_t wrapCopy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
    requireOrdered("cudaMemcpy", target, source);
    return realCopy(target, source, bytes, kind);
}

cudaError_t realCopyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) REAL(COPY_ASYNC);
cudaError_t wrapCopyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) WRAP(COPY_ASYNC);
cudaError_t wrapCopyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    requireOrdered("cudaMemcpyAsync", target, source);
    require(ownerOf(target) != HOST && ownerOf(source) != HOST, "cudaMemcpyAsync", "host memory is still in use on return",
            target, source);
    return realCopyAsync(target, source, bytes, kind, stream);
}

cudaError_t realCopy2D(void*, size_t, const void*, size_t, size_t, size_t, cudaMemcpyKind) REAL(COPY_2D);
cudaError_t wrapCopy2D(void*, size_t, const void*, size_t, size_t, size_t, cudaMemcpyKind) WRAP(COPY_2D);
cudaError_t wrapCopy2D(void* target, size_t targetPitch, const void* source, size_t sourcePitch, size_t width, size_t height,
                       cudaMemcpyKind kind) {
    requireOrdered("cudaMemcpy2D", target, source);
    return realCopy2D(target, targetPitch, source, sourcePitch, width, height, kind);
}

cudaError_t realCopyPeer(void*, int, const void*, int, size_t) REAL(COPY_PEER);
cudaError_t wrapCopyPeer(void*, int, const void*, int, size_t) WRAP(COPY_PEER);
cudaError_t wrapCopyPeer(void* target, int to, const void* source, int from, size_t bytes) {
    require(ownerOf(target) == to && ownerOf(source) == from, "cudaMemcpyPeer", "not the devices that were named", target,
            source);
    return realCopyPeer(target, to, source, from, bytes);
}
