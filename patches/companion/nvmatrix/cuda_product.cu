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

std::mutex mutex;
std::map<int, cublasHandle_t>& handles() {
    static std::map<int, cublasHandle_t>* const all = new std::map<int, cublasHandle_t>();
    return *all;
}

void check(cublasStatus_t status, const char* what, int line) {
    if (status != CUBLAS_STATUS_SUCCESS) {
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

// With the lock held: the current device's handle.
cublasHandle_t handle() {
    const int device = currentDevice();
    const std::map<int, cublasHandle_t>::const_iterator found = handles().find(device);
    if (found != handles().end()) {
        return found->second;
    }
    cublasHandle_t fresh;
    CHECK_CUBLAS(cublasCreate(&fresh));
    CHECK_CUBLAS(cublasSetStream(fresh, 0));
    CHECK_CUBLAS(cublasSetMathMode(fresh, mathMode()));
    handles()[device] = fresh;
    return fresh;
}

}  // namespace

void startProducts() {
    std::lock_guard<std::mutex> lock(mutex);
    handle();
}

// The manager thread and a device's thread may meet on one handle, hence the lock around the call.
void product(int m, int n, int k, float alpha, Factor a, Factor b, float beta, float* c, int leadingC) {
    std::lock_guard<std::mutex> lock(mutex);
    CHECK_CUBLAS(cublasSgemm(handle(), a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, m,
                             n, k, &alpha, a.data, a.leading, b.data, b.leading, &beta, c, leadingC));
    getLastCudaError("matrix product");
}

}  // namespace companion
