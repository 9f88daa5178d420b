// Element-by-element loops over matrices in memory order, for both back ends. Functors travel by value and are called on
// the kernel's own parameter (companion-native 3.3).
#ifndef COMPANION_NVMATRIX_APPLY_CUH
#define COMPANION_NVMATRIX_APPLY_CUH

namespace companion {

// A matrix as memory sees it: `outer` lines (the following dimension) of `inner` neighbours (the leading dimension).
struct MemoryShape {
    long outer;
    long inner;
    MemoryShape(long numOuter, long numInner) : outer(numOuter), inner(numInner) {}
    long count() const { return outer * inner; }
};

// Where element (o, i) of a shape lies: data[o * outer + i * inner]. Steps of 0 repeat a vector.
struct Operand {
    float* data;
    long outer;
    long inner;
    Operand(float* first, long outerStep, long innerStep) : data(first), outer(outerStep), inner(innerStep) {}
    // One line without gaps.
    bool isFlat(const MemoryShape& shape) const { return inner == 1 && (outer == shape.inner || shape.outer == 1); }
};

}  // namespace companion

#ifdef COMPANION_CPU
#include <nvmatrix_apply_cpu.h>
#elif defined(__CUDACC__)
#include <nvmatrix_apply_cuda.cuh>
#else
namespace companion {
// The CUDA flavour seen by the host compiler: declared, instantiated by nvcc's units only.
template <class Op>
void applyUnary(Op op, MemoryShape shape, Operand target, Operand a);
template <class Op>
void applyBinary(Op op, MemoryShape shape, Operand target, Operand a, Operand b);
template <class Op>
void applyTernary(Op op, MemoryShape shape, Operand target, Operand a, Operand b, Operand c);
}  // namespace companion
#endif

#endif
