// checkCudaErrors and getLastCudaError: report file, line, device and error, then end the program (companion-native 5.6);
// peer access that may be asked for twice.
#ifndef COMPANION_HELPER_CUDA_H
#define COMPANION_HELPER_CUDA_H

#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

inline void companionCheckCuda(cudaError_t error, const char* what, const char* file, int line) {
    if (error == cudaSuccess) {
        return;
    }
#ifndef COMPANION_CPU
    // The program is ending while one of the release's threads, which nobody joins, still works: no error of its own, and
    // ending it a second time would replace the first one's exit status.
    if (error == cudaErrorCudartUnloading) {
        return;
    }
#endif
    int device = -1;
    cudaGetDevice(&device);
    fprintf(stderr, "%s:%d: CUDA error %d on device %d: %s (%s)\n", file, line, static_cast<int>(error), device,
            cudaGetErrorString(error), what);
    exit(EXIT_FAILURE);
}

// With COMPANION_SYNCHRONISE (a debug build) a kernel's own failure shows here, and not at some later call.
inline void companionCheckLast(const char* what, const char* file, int line) {
    companionCheckCuda(cudaGetLastError(), what, file, line);
#ifdef COMPANION_SYNCHRONISE
    companionCheckCuda(cudaDeviceSynchronize(), what, file, line);
#endif
}

// Two devices of a run may be one GPU (`--gpu 0,0`), and then a pair of GPUs comes up more than once: no reason to stop, so
// the release's start-up is given this for the run-time's function.
inline cudaError_t companionEnablePeerAccess(int peer, unsigned int flags) {
    int device = -1;
    cudaGetDevice(&device);
    if (peer == device) {
        return cudaSuccess;
    }
    const cudaError_t error = cudaDeviceEnablePeerAccess(peer, flags);
    if (error != cudaErrorPeerAccessAlreadyEnabled) {
        return error;
    }
    cudaGetLastError();
    return cudaSuccess;
}
#define cudaDeviceEnablePeerAccess(peer, flags) companionEnablePeerAccess((peer), (flags))

#define checkCudaErrors(expression) companionCheckCuda((expression), #expression, __FILE__, __LINE__)
#define getLastCudaError(message) companionCheckLast((message), __FILE__, __LINE__)

#endif
