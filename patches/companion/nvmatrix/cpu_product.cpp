// Matrix products of the CPU flavour, through whichever BLAS CMake found (common/blas.h).
#include <cuda_runtime.h>

#include <algorithm>

#include "../common/blas.h"
#include "backend.h"

#define COMPANION_JOIN_NAMES(prefix, name) prefix##name
#define COMPANION_JOIN(prefix, name) COMPANION_JOIN_NAMES(prefix, name)
#define COMPANION_BLAS(name) COMPANION_JOIN(COMPANION_BLAS_PREFIX, name)

// The C interface of BLAS: order 102 is column-major, 111 and 112 are "as it is" and "transposed".
extern "C" {
void COMPANION_BLAS(cblas_sgemm)(int order, int transA, int transB, int m, int n, int k, float alpha, const float* a,
                                 int lda, const float* b, int ldb, float beta, float* c, int ldc);
#ifdef COMPANION_BLAS_IS_OPENBLAS
void COMPANION_BLAS(openblas_set_num_threads)(int threads);
#endif
}

namespace companion {

namespace {

const int COLUMN_MAJOR = 102;
const int AS_IS = 111;
const int TRANSPOSED = 112;

// Pieces of one product: small enough to keep all threads busy, large enough to be products.
const int PIECES = 16;
const int SMALLEST_PIECE = 48;
const int GRAIN = 16;
const double SERIAL_WORK = 1e6;

// The library's own threads would take turns with the loops' threads.
bool useOneThread() {
#ifdef COMPANION_BLAS_IS_OPENBLAS
    COMPANION_BLAS(openblas_set_num_threads)(1);
#endif
    return true;
}

int pieceLength(int length) {
    const int even = (length + PIECES - 1) / PIECES;
    return std::max(SMALLEST_PIECE, (even + GRAIN - 1) / GRAIN * GRAIN);
}

}  // namespace

void gemm(bool transA, bool transB, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
    static const bool one = useOneThread();
    (void)one;
    COMPANION_BLAS(cblas_sgemm)(COLUMN_MAJOR, transA ? TRANSPOSED : AS_IS, transB ? TRANSPOSED : AS_IS, m, n, k, alpha, a,
                                lda, b, ldb, beta, c, ldc);
}

void gemmParallel(bool transA, bool transB, int m, int n, int k, float alpha, const float* a, int lda, const float* b,
                  int ldb, float beta, float* c, int ldc) {
    if (static_cast<double>(m) * n * k < SERIAL_WORK) {
        gemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        return;
    }
    const bool cutColumns = n >= m;
    const int length = cutColumns ? n : m;
    const int piece = pieceLength(length);
    const int pieces = (length + piece - 1) / piece;
#pragma omp parallel for schedule(dynamic) num_threads(companion_cpu::threads()) if (pieces > 1)
    for (int p = 0; p < pieces; p++) {
        const long from = static_cast<long>(p) * piece;
        const int size = static_cast<int>(std::min<long>(piece, length - from));
        if (cutColumns) {
            gemm(transA, transB, m, size, k, alpha, a, lda, b + from * (transB ? 1 : ldb), ldb, beta, c + from * ldc, ldc);
        } else {
            gemm(transA, transB, size, n, k, alpha, a + from * (transA ? lda : 1), lda, b, ldb, beta, c + from, ldc);
        }
    }
}

void startProducts() {}

void product(int m, int n, int k, float alpha, Factor a, Factor b, float beta, float* c, int leadingC) {
    gemmParallel(a.transposed, b.transposed, m, n, k, alpha, a.data, a.leading, b.data, b.leading, beta, c, leadingC);
}

}  // namespace companion
