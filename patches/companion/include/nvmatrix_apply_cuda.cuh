// The CUDA flavour's element-by-element kernels, one thread for each element, or for four where nothing has gaps. The
// functor is a kernel parameter by value and is called as that parameter, which is what resolves the release's virtual
// operators on the device (companion-native 3.3).
#ifndef COMPANION_NVMATRIX_APPLY_CUDA_CUH
#define COMPANION_NVMATRIX_APPLY_CUDA_CUH

#include <assert.h>
#include <helper_cuda.h>
#include <nvmatrix_index.cuh>

namespace companion {

const int FLAT_THREADS = 256;
const int FLAT_LANES = 4;

inline unsigned int flatBlocks(long threads) {
    return static_cast<unsigned int>((threads + FLAT_THREADS - 1) / FLAT_THREADS);
}

__device__ inline unsigned int flatThread() { return blockIdx.x * blockDim.x + threadIdx.x; }

// A shape as kernels walk it: element e is number e % inner of line e / inner.
struct Walk {
    unsigned int count;
    Divisor inner;
    explicit Walk(const MemoryShape& shape)
        : count(static_cast<unsigned int>(shape.count())), inner(static_cast<unsigned int>(shape.inner)) {
        assert(shape.count() <= 0x7fffffff);
    }
};

// An operand whose offsets fit into 32 bits, as all do that lie within one matrix.
struct Place {
    float* data;
    unsigned int outer;
    unsigned int inner;
    Place(const MemoryShape& shape, const Operand& operand)
        : data(operand.data),
          outer(static_cast<unsigned int>(operand.outer)),
          inner(static_cast<unsigned int>(operand.inner)) {
        assert((shape.outer - 1) * operand.outer + (shape.inner - 1) * operand.inner <= 0x7fffffff);
    }
    __device__ float& at(unsigned int o, unsigned int i) const { return data[o * outer + i * inner]; }
};

inline bool areFlat(const MemoryShape&) { return true; }

// Whether every operand is one run of memory that can be accessed in fours.
template <class... Rest>
inline bool areFlat(const MemoryShape& shape, const Operand& first, const Rest&... rest) {
    return first.isFlat(shape) && areAligned(first.data) && areFlat(shape, rest...);
}

template <class Op>
__global__ void kUnaryFlat(Op op, unsigned int n, float* target, const float* a) {
    unsigned int i = flatThread() * FLAT_LANES;
    if (i + FLAT_LANES <= n) {
        Lanes<FLAT_LANES> x = loadLanes<FLAT_LANES>(a + i);
#pragma unroll
        for (int l = 0; l < FLAT_LANES; l++) {
            x.at[l] = op(x.at[l]);
        }
        storeLanes(target + i, x);
        return;
    }
    for (; i < n; i++) {
        target[i] = op(a[i]);
    }
}

template <class Op>
__global__ void kUnary(Op op, Walk walk, Place target, Place a) {
    const unsigned int e = flatThread();
    if (e < walk.count) {
        unsigned int i;
        const unsigned int o = walk.inner(e, i);
        target.at(o, i) = op(a.at(o, i));
    }
}

template <class Op>
__global__ void kBinaryFlat(Op op, unsigned int n, float* target, const float* a, const float* b) {
    unsigned int i = flatThread() * FLAT_LANES;
    if (i + FLAT_LANES <= n) {
        Lanes<FLAT_LANES> x = loadLanes<FLAT_LANES>(a + i);
        const Lanes<FLAT_LANES> y = loadLanes<FLAT_LANES>(b + i);
#pragma unroll
        for (int l = 0; l < FLAT_LANES; l++) {
            x.at[l] = op(x.at[l], y.at[l]);
        }
        storeLanes(target + i, x);
        return;
    }
    for (; i < n; i++) {
        target[i] = op(a[i], b[i]);
    }
}

template <class Op>
__global__ void kBinary(Op op, Walk walk, Place target, Place a, Place b) {
    const unsigned int e = flatThread();
    if (e < walk.count) {
        unsigned int i;
        const unsigned int o = walk.inner(e, i);
        target.at(o, i) = op(a.at(o, i), b.at(o, i));
    }
}

template <class Op>
__global__ void kTernaryFlat(Op op, unsigned int n, float* target, const float* a, const float* b, const float* c) {
    unsigned int i = flatThread() * FLAT_LANES;
    if (i + FLAT_LANES <= n) {
        Lanes<FLAT_LANES> x = loadLanes<FLAT_LANES>(a + i);
        const Lanes<FLAT_LANES> y = loadLanes<FLAT_LANES>(b + i);
        const Lanes<FLAT_LANES> z = loadLanes<FLAT_LANES>(c + i);
#pragma unroll
        for (int l = 0; l < FLAT_LANES; l++) {
            x.at[l] = op(x.at[l], y.at[l], z.at[l]);
        }
        storeLanes(target + i, x);
        return;
    }
    for (; i < n; i++) {
        target[i] = op(a[i], b[i], c[i]);
    }
}

template <class Op>
__global__ void kTernary(Op op, Walk walk, Place target, Place a, Place b, Place c) {
    const unsigned int e = flatThread();
    if (e < walk.count) {
        unsigned int i;
        const unsigned int o = walk.inner(e, i);
        target.at(o, i) = op(a.at(o, i), b.at(o, i), c.at(o, i));
    }
}

template <class Op>
void applyUnary(Op op, MemoryShape shape, Operand target, Operand a) {
    const long n = shape.count();
    if (n == 0) {
        return;
    }
    if (areFlat(shape, target, a)) {
        kUnaryFlat<Op><<<flatBlocks((n + FLAT_LANES - 1) / FLAT_LANES), FLAT_THREADS>>>(op, n, target.data, a.data);
    } else {
        kUnary<Op><<<flatBlocks(n), FLAT_THREADS>>>(op, Walk(shape), Place(shape, target), Place(shape, a));
    }
    getLastCudaError("element-wise, one operand");
}

template <class Op>
void applyBinary(Op op, MemoryShape shape, Operand target, Operand a, Operand b) {
    const long n = shape.count();
    if (n == 0) {
        return;
    }
    if (areFlat(shape, target, a, b)) {
        kBinaryFlat<Op>
            <<<flatBlocks((n + FLAT_LANES - 1) / FLAT_LANES), FLAT_THREADS>>>(op, n, target.data, a.data, b.data);
    } else {
        kBinary<Op><<<flatBlocks(n), FLAT_THREADS>>>(op, Walk(shape), Place(shape, target), Place(shape, a),
                                                     Place(shape, b));
    }
    getLastCudaError("element-wise, two operands");
}

template <class Op>
void applyTernary(Op op, MemoryShape shape, Operand target, Operand a, Operand b, Operand c) {
    const long n = shape.count();
    if (n == 0) {
        return;
    }
    if (areFlat(shape, target, a, b, c)) {
        kTernaryFlat<Op><<<flatBlocks((n + FLAT_LANES - 1) / FLAT_LANES), FLAT_THREADS>>>(op, n, target.data, a.data,
                                                                                         b.data, c.data);
    } else {
        kTernary<Op><<<flatBlocks(n), FLAT_THREADS>>>(op, Walk(shape), Place(shape, target), Place(shape, a),
                                                      Place(shape, b), Place(shape, c));
    }
    getLastCudaError("element-wise, three operands");
}

}  // namespace companion

#endif
