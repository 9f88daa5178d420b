// What the CUDA back end's kernels share: grids over elements and the scale rule.
#ifndef COMPANION_CONV_CUDA_LAUNCH_H
#define COMPANION_CONV_CUDA_LAUNCH_H

#include "backend.h"

#include <conv_launch_cuda.cuh>

namespace conv_backend {

// For kernels that are not over images and whose count may exceed that of a matrix.
const int ELEMENT_THREADS = 256;

inline dim3 elementGrid(size_t count) {
    const size_t blocks = (count + ELEMENT_THREADS - 1) / ELEMENT_THREADS, most = 1 << 20;
    return dim3((unsigned int)(blocks < most ? blocks : most));
}

// Threads stride over what a grid leaves; neighbours in a warp are neighbouring cases.
#define CONV_FOR_EACH(at, count)                                                             \
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < (count);            \
         at += (size_t)gridDim.x * blockDim.x)

// The target is not read where its scale is 0.
__device__ inline void write(float* target, float result, Scales scales) {
    *target = scales.target == 0 ? scales.output * result : scales.target * *target + scales.output * result;
}

template <int N>
__device__ inline void writeLanes(float* target, Lanes<N> result, Scales scales) {
    if (scales.target == 0) {
#pragma unroll
        for (int l = 0; l < N; l++) result.at[l] = scales.output * result.at[l];
    } else {
        const Lanes<N> old = loadLanes<N>(target);
#pragma unroll
        for (int l = 0; l < N; l++) result.at[l] = scales.target * old.at[l] + scales.output * result.at[l];
    }
    storeLanes(target, result);
}

template <int N>
__device__ inline Lanes<N> allLanes(float value) {
    Lanes<N> lanes;
#pragma unroll
    for (int l = 0; l < N; l++) lanes.at[l] = value;
    return lanes;
}

}  // namespace conv_backend

#endif
