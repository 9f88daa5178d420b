// What the release's test.cu expects of its missing header (companion-native 5.8).
#ifndef COMPANION_TEST_CUH
#define COMPANION_TEST_CUH

#include <assert.h>
#include <helper_cuda.h>
#include <helper_timer.h>
#include <matrix.h>
#include <nvmatrix.cuh>
#include <stdio.h>

#define GPU_LOCK_NO_SCRIPT (-2)
#define GPU_LOCK_NO_BOARD (-1)

// No lock server is asked: "run on the default board".
inline int get_board_lock() { return GPU_LOCK_NO_SCRIPT; }

// CUDA 13 took the old name away.
#define cudaThreadSynchronize cudaDeviceSynchronize

#endif
