// Matrix products of the CUDA flavour through cuBLAS, one handle for each device, on the legacy default stream. The handle
// type stays inside this file: the release includes the first cuBLAS interface, which excludes the second (IO-8).
#include <cublas_v2.h>

#include <stdlib.h>
#include <string.h>
#include <map>
#include <mutex>

#include "backend.h"
#include "cuda_scratch.h"

namespace companion {

namespace {

// A handle, and who may use it: the manager thread and a device's own thread may meet on one.
struct Products {
    std::mutex mutex;
    cublasHandle_t handle;
};

void check(cublasStatus_t status, const char* what, int line) {
    // A program that is ending has no products to make (helper_cuda.h).
    if (status != CUBLAS_STATUS_SUCCESS && cudaPeekAtLastError() != cudaErrorCudartUnloading) {
        fprintf(stderr, "%s:%d: cuBLAS error %d on device %d: %s\n", __FILE__, line, static_cast<int>(status), currentDevice(),
                what);
        exit(EXIT_FAILURE);
    }
}

#define CHECK_CUBLAS(call) check((call), #call, __LINE__)

// float32 throughout, as in 2012, unless ALEXNET_ARCHIVE_MATH or the build asks for the tensor cores' shorter format.
cublasMath_t mathMode() {
    const char* asked = getenv("ALEXNET_ARCHIVE_MATH");
    if (asked == nullptr || *asked == 0) {
        asked = COMPANION_MATH;
    }
    if (strcmp(asked, "strict") != 0 && strcmp(asked, "tf32") != 0) {
        fprintf(stderr, "ALEXNET_ARCHIVE_MATH is '%s'; strict or tf32 is expected\n", asked);
        exit(EXIT_FAILURE);
    }
    return strcmp(asked, "tf32") == 0 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH;
}

cublasHandle_t freshHandle() {
    cublasHandle_t fresh;
    CHECK_CUBLAS(cublasCreate(&fresh));
    CHECK_CUBLAS(cublasSetStream(fresh, 0));
    CHECK_CUBLAS(cublasSetMathMode(fresh, mathMode()));
    return fresh;
}

// The current device's, made at its first use and never destroyed.
Products& products() {
    static std::mutex mutex;
    static std::map<int, Products*>* const byDevice = new std::map<int, Products*>();
    std::lock_guard<std::mutex> lock(mutex);
    Products*& mine = (*byDevice)[currentDevice()];
    if (mine == nullptr) {
        mine = new Products();
        mine->handle = freshHandle();
    }
    return *mine;
}

}  // namespace

void startProducts() { products(); }

void product(int m, int n, int k, float alpha, Factor a, Factor b, float beta, float* c, int leadingC) {
    Products& mine = products();
    // A full launch queue makes a thread wait in here: one lock for each device keeps the others going.
    std::lock_guard<std::mutex> lock(mine.mutex);
    CHECK_CUBLAS(cublasSgemm(mine.handle, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                             b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, m, n, k, &alpha, a.data, a.leading, b.data, b.leading,
                             &beta, c, leadingC));
    getLastCudaError("matrix product");
}

}  // namespace companion
