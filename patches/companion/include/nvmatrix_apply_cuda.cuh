// The CUDA flavour's element-by-element kernels. The functor is a kernel parameter by value and is called as that parameter,
// which is what resolves the release's virtual operators on the device (companion-native 3.3).
#ifndef COMPANION_NVMATRIX_APPLY_CUDA_CUH
#define COMPANION_NVMATRIX_APPLY_CUDA_CUH

#include <helper_cuda.h>

namespace companion {

const int FLAT_THREADS = 256;
const int TILE_X = 32;
const int TILE_Y = 8;
// Kernels stride over what a grid of this size leaves.
const long MAX_BLOCKS_X = 1 << 20;
const long MAX_BLOCKS_Y = 32768;

inline unsigned int blocksFor(long count, long perBlock, long most) {
    const long blocks = (count + perBlock - 1) / perBlock;
    return static_cast<unsigned int>(blocks < most ? blocks : most);
}

inline dim3 flatGrid(long count) { return dim3(blocksFor(count, FLAT_THREADS, MAX_BLOCKS_X)); }

inline dim3 tileGrid(const MemoryShape& shape) {
    return dim3(blocksFor(shape.inner, TILE_X, MAX_BLOCKS_X), blocksFor(shape.outer, TILE_Y, MAX_BLOCKS_Y));
}

#define COMPANION_FOR_FLAT(i, n)                                                                     \
    for (long i = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x; i < (n);                  \
         i += static_cast<long>(gridDim.x) * blockDim.x)

#define COMPANION_FOR_TILE(o, i, shape)                                                               \
    for (long o = static_cast<long>(blockIdx.y) * blockDim.y + threadIdx.y; o < (shape).outer;        \
         o += static_cast<long>(gridDim.y) * blockDim.y)                                              \
        for (long i = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x; i < (shape).inner;    \
             i += static_cast<long>(gridDim.x) * blockDim.x)

template <class Op>
__global__ void kUnaryFlat(Op op, long n, float* target, const float* a) {
    COMPANION_FOR_FLAT(i, n) { target[i] = op(a[i]); }
}

template <class Op>
__global__ void kUnary(Op op, MemoryShape shape, Operand target, Operand a) {
    COMPANION_FOR_TILE(o, i, shape) {
        target.data[o * target.outer + i * target.inner] = op(a.data[o * a.outer + i * a.inner]);
    }
}

template <class Op>
__global__ void kBinaryFlat(Op op, long n, float* target, const float* a, const float* b) {
    COMPANION_FOR_FLAT(i, n) { target[i] = op(a[i], b[i]); }
}

template <class Op>
__global__ void kBinary(Op op, MemoryShape shape, Operand target, Operand a, Operand b) {
    COMPANION_FOR_TILE(o, i, shape) {
        target.data[o * target.outer + i * target.inner] =
            op(a.data[o * a.outer + i * a.inner], b.data[o * b.outer + i * b.inner]);
    }
}

template <class Op>
__global__ void kTernaryFlat(Op op, long n, float* target, const float* a, const float* b, const float* c) {
    COMPANION_FOR_FLAT(i, n) { target[i] = op(a[i], b[i], c[i]); }
}

template <class Op>
__global__ void kTernary(Op op, MemoryShape shape, Operand target, Operand a, Operand b, Operand c) {
    COMPANION_FOR_TILE(o, i, shape) {
        target.data[o * target.outer + i * target.inner] =
            op(a.data[o * a.outer + i * a.inner], b.data[o * b.outer + i * b.inner], c.data[o * c.outer + i * c.inner]);
    }
}

template <class Op>
void applyUnary(Op op, MemoryShape shape, Operand target, Operand a) {
    if (shape.count() == 0) {
        return;
    }
    if (target.isFlat(shape) && a.isFlat(shape)) {
        kUnaryFlat<Op><<<flatGrid(shape.count()), FLAT_THREADS>>>(op, shape.count(), target.data, a.data);
    } else {
        kUnary<Op><<<tileGrid(shape), dim3(TILE_X, TILE_Y)>>>(op, shape, target, a);
    }
    getLastCudaError("element-wise, one operand");
}

template <class Op>
void applyBinary(Op op, MemoryShape shape, Operand target, Operand a, Operand b) {
    if (shape.count() == 0) {
        return;
    }
    if (target.isFlat(shape) && a.isFlat(shape) && b.isFlat(shape)) {
        kBinaryFlat<Op><<<flatGrid(shape.count()), FLAT_THREADS>>>(op, shape.count(), target.data, a.data, b.data);
    } else {
        kBinary<Op><<<tileGrid(shape), dim3(TILE_X, TILE_Y)>>>(op, shape, target, a, b);
    }
    getLastCudaError("element-wise, two operands");
}

template <class Op>
void applyTernary(Op op, MemoryShape shape, Operand target, Operand a, Operand b, Operand c) {
    if (shape.count() == 0) {
        return;
    }
    if (target.isFlat(shape) && a.isFlat(shape) && b.isFlat(shape) && c.isFlat(shape)) {
        kTernaryFlat<Op><<<flatGrid(shape.count()), FLAT_THREADS>>>(op, shape.count(), target.data, a.data, b.data, c.data);
    } else {
        kTernary<Op><<<tileGrid(shape), dim3(TILE_X, TILE_Y)>>>(op, shape, target, a, b, c);
    }
    getLastCudaError("element-wise, three operands");
}

}  // namespace companion

#endif
