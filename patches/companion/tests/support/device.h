// For programs whose cases use a device: where the CUDA flavour finds none they are skipped, and say so.
#ifndef COMPANION_TESTS_DEVICE_H
#define COMPANION_TESTS_DEVICE_H

#include <cuda_runtime.h>

#include "check.h"

namespace check {

struct NeedsDevice {
    NeedsDevice() {
        need().isMet = []() {
            int count = 0;
            return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
        };
        need().missing = "no GPU";
    }
};
static const NeedsDevice needsDevice;

}  // namespace check

#endif
