// The last error of the calling thread, between the files of the CPU run-time.
#ifndef COMPANION_CPU_ERRORS_H
#define COMPANION_CPU_ERRORS_H

#include <cuda_runtime.h>

namespace companion_cpu {

// Keeps the error for cudaGetLastError and hands it back.
cudaError_t remember(cudaError_t error);

}  // namespace companion_cpu

#endif
