// Device memory for what does not outlive a call, and where a pointer lies.
#ifndef COMPANION_NVMATRIX_CUDA_SCRATCH_H
#define COMPANION_NVMATRIX_CUDA_SCRATCH_H

#include <stddef.h>

namespace companion {

// At least `bytes` of memory on the current device that belong to the calling thread until its next call; work already
// queued on the legacy default stream may go on using what an earlier call gave.
void* scratch(size_t bytes);

// The device whose memory `pointer` is, or -1 for host memory.
int deviceOf(const void* pointer);

// The current device's ordinal.
int currentDevice();

}  // namespace companion

#endif
