// The CPU flavour's stand-in for the first cuBLAS interface: the release includes <cublas.h> and uses nothing of it
// (companion-native 7.1, IO-8).
#ifndef COMPANION_CPU_CUBLAS_H
#define COMPANION_CPU_CUBLAS_H
#include <cuda_runtime.h>
#endif
