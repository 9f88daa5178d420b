// The CPU flavour's stand-in for the driver interface: the release includes <cuda.h> and uses nothing of it
// (companion-native 7.1).
#ifndef COMPANION_CPU_CUDA_H
#define COMPANION_CPU_CUDA_H
#include <cuda_runtime.h>
#endif
