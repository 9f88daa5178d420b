// The one BLAS function the CPU flavour needs, from whichever library CMake found (nvmatrix/cpu_product.cpp).
#ifndef COMPANION_BLAS_H
#define COMPANION_BLAS_H

namespace companion {

// C = alpha * op(A) . op(B) + beta * C in column-major order, op(A) m x k, op(B) k x n; leading dimensions in floats.
// beta 0: C is not read. Runs on the calling thread alone, so that parallel loops may call it and no sum depends on the
// number of threads.
void gemm(bool transA, bool transB, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc);

// The same cut into pieces of C that run in parallel; the cut follows from the shape alone.
void gemmParallel(bool transA, bool transB, int m, int n, int k, float alpha, const float* a, int lda, const float* b,
                  int ldb, float beta, float* c, int ldc);

}  // namespace companion

#endif
