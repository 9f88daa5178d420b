// What the CPU back end's functions share: single-thread products, tasks over OpenMP, scratch memory per thread.
#ifndef COMPANION_CONV_CPU_SUPPORT_H
#define COMPANION_CONV_CPU_SUPPORT_H

#include "backend.h"

#include <cstddef>
#include <cstring>

namespace companion_cpu {
// Threads for one parallel loop: all of the machine's, shared among the devices in use (companion_launch.h).
int threads();
}  // namespace companion_cpu

namespace conv_backend {

// C (m x n) = alpha * op(A) (m x k) . op(B) (k x n) + beta * C, row-major, on the calling thread; beta 0 never reads C.
void gemm(bool transposeA, bool transposeB, int m, size_t n, size_t k, float alpha, const float* a, size_t lda,
          const float* b, size_t ldb, float beta, float* c, size_t ldc);

// At least `count` floats that belong to the calling thread until its next call.
float* scratch(size_t count);

inline int divideUp(int a, int b) { return (a + b - 1) / b; }

inline void scaleRow(float* row, size_t count, float scale) {
    if (scale == 1) return;
    if (scale == 0) {
        for (size_t i = 0; i < count; i++) row[i] = 0;
    } else {
        for (size_t i = 0; i < count; i++) row[i] *= scale;
    }
}

// As memcpy, which may not be given the null pointer of an empty matrix.
inline void copyRow(float* dest, const float* source, size_t count) {
    if (count > 0) std::memcpy(dest, source, count * sizeof(float));
}

// target = scales.target * target + scales.output * result; with scales.target == 0 the target is not read.
inline void writeRow(float* target, const float* result, size_t count, Scales scales) {
    if (scales.target == 0) {
        for (size_t i = 0; i < count; i++) target[i] = scales.output * result[i];
    } else {
        for (size_t i = 0; i < count; i++) target[i] = scales.target * target[i] + scales.output * result[i];
    }
}

// work(0) .. work(tasks - 1), each once, on any thread in any order.
template <class Work>
void parallelFor(int tasks, const Work& work) {
#pragma omp parallel for schedule(dynamic) num_threads(companion_cpu::threads()) if (tasks > 1)
    for (int task = 0; task < tasks; task++) work(task);
}

// A task for each (item, block of cases): work(item, first case, number of cases).
template <class Work>
void forCaseBlocks(int items, int cases, int block, const Work& work) {
    const int blocks = divideUp(cases, block);
    parallelFor(items * blocks, [&](int task) {
        const int first = task % blocks * block;
        work(task / blocks, first, cases - first < block ? cases - first : block);
    });
}

}  // namespace conv_backend

#endif
