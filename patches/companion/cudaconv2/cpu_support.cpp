// Row-major products and scratch memory for the CPU back end; see cpu_support.h.
#include "cpu_support.h"

#include <blas.h>

#include <memory>

namespace conv_backend {

void gemm(bool transposeA, bool transposeB, int m, size_t n, size_t k, float alpha, const float* a, size_t lda,
          const float* b, size_t ldb, float beta, float* c, size_t ldc) {
    if (m == 0 || n == 0) return;
    if (k == 0) {
        for (int i = 0; i < m; i++) scaleRow(c + i * ldc, n, beta);
        return;
    }
    // A row-major matrix is its transpose in column-major order.
    companion::gemm(transposeB, transposeA, (int)n, m, (int)k, alpha, b, (int)ldb, a, (int)lda, beta, c, (int)ldc);
}

float* scratch(size_t count) {
    static thread_local std::unique_ptr<float[]> memory;
    static thread_local size_t size = 0;
    if (count > size) {
        memory.reset();
        memory.reset(new float[count]);
        size = count;
    }
    return memory.get();
}

}  // namespace conv_backend
