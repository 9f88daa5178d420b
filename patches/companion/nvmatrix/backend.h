// What NVMatrix asks of a back end: cpu_*.cpp and cuda_*.cu define these. All work is on the current device and its legacy
// default stream; pointers are to device or pinned memory. Shapes and operands are those of nvmatrix_apply.cuh.
#ifndef COMPANION_NVMATRIX_BACKEND_H
#define COMPANION_NVMATRIX_BACKEND_H

#include <nvmatrix.cuh>

#include "../common/random_stream.h"

namespace companion {

// target = source; the source may lie on another device, and either may be pinned host memory: then it is done on return,
// so that the host and other devices may read or overwrite that memory.
void copyElements(MemoryShape shape, Operand target, Operand source);

// The source where a kernel of the current device can read it: itself, or a copy that lives until the calling thread's next
// call of a function of this file. Pinned memory has been read on return.
Operand reachable(MemoryShape shape, Operand source);

// The sum of all elements, in double.
double sumAll(MemoryShape shape, Operand source);

// What a reduction leaves: the maximum, or scaleTarget * target + scaleSum * sum with scaleTarget 0 not reading target.
struct Aggregation {
    bool maximum;
    float scaleTarget;
    float scaleSum;
};

// Reduces every line to one number: target has shape.outer elements.
void reduceInner(Aggregation how, MemoryShape shape, Operand source, float* target);
// Reduces over the lines: target has shape.inner elements.
void reduceOuter(Aggregation how, MemoryShape shape, Operand source, float* target);

// Prepares matrix products on the current device; idempotent.
void startProducts();

// One operand of a product in column-major order.
struct Factor {
    const float* data;
    int leading;
    bool transposed;
};

// C = alpha * op(a) . op(b) + beta * C, C m x n in column-major order; beta 0 does not read C.
void product(int m, int n, int k, float alpha, Factor a, Factor b, float beta, float* c, int leadingC);

// Numbers go to elements in memory order.
void fillUniform(MemoryShape shape, Operand target, RandomNumbers numbers);
// target += f * normal number, f = stdevs or its square.
void addNormal(MemoryShape shape, Operand target, Operand stdevs, bool squared, RandomNumbers numbers);

}  // namespace companion

#endif
