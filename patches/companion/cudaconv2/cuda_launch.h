// What the CUDA back end's kernels share: grids over elements and the scale rule.
#ifndef COMPANION_CONV_CUDA_LAUNCH_H
#define COMPANION_CONV_CUDA_LAUNCH_H

#include "backend.h"

#include <helper_cuda.h>

namespace conv_backend {

const int ELEMENT_THREADS = 256;

inline dim3 elementGrid(size_t count) {
    const size_t blocks = (count + ELEMENT_THREADS - 1) / ELEMENT_THREADS, most = 1 << 20;
    return dim3((unsigned int)(blocks < most ? blocks : most));
}

// Threads stride over what a grid leaves; neighbours in a warp are neighbouring cases.
#define CONV_FOR_EACH(at, count)                                                             \
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < (count);            \
         at += (size_t)gridDim.x * blockDim.x)

// Where element `at` of maps with `side` pixels on a line lies.
struct Place {
    int i, x, y, channel;
};

__device__ inline Place placeOf(size_t at, int cases, int side) {
    const int pixel = (int)(at / cases);
    const Place place = {(int)(at % cases), pixel % side, pixel / side % side, pixel / side / side};
    return place;
}

// The target is not read where its scale is 0.
__device__ inline void write(float* target, float result, Scales scales) {
    *target = scales.target == 0 ? scales.output * result : scales.target * *target + scales.output * result;
}

}  // namespace conv_backend

#endif
