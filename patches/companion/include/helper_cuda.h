// checkCudaErrors and getLastCudaError: report file, line, device and error, then end the program (companion-native 5.6).
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

#define checkCudaErrors(expression) companionCheckCuda((expression), #expression, __FILE__, __LINE__)
#define getLastCudaError(message) companionCheckLast((message), __FILE__, __LINE__)

#endif
