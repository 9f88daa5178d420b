// Matrix products of the CUDA flavour through cuBLAS, one handle for each device, on the legacy default stream. The handle
// type stays inside this file: the release includes the first cuBLAS interface, which excludes the second (IO-8).
#include <cublas_v2.h>

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
}

}  // namespace companion
