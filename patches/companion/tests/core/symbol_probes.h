// What the probes of symbols.toml name beside the symbols themselves; included before them by the symbols test.
#ifndef COMPANION_TESTS_SYMBOL_PROBES_H
#define COMPANION_TESTS_SYMBOL_PROBES_H

#include <matrix.h>

#include <cuda_runtime.h>
#include <conv_util.cuh>
#include <cudaconv2.cuh>
#include <helper_cuda.h>
#include <helper_timer.h>
#include <nvmatrix.cuh>
#include <nvmatrix_operators.cuh>
#include <queue.h>
#include <sync.h>
#include <test.cuh>
#include <thread.h>

#include <memory>
#include <type_traits>

class Blend {
public:
    __device__ inline float operator()(float a, float b, float c) const { return a * b + c; }
};

class Idle : public Thread {
public:
    explicit Idle(bool joinable) : Thread(joinable) {}
    Idle(bool joinable, std::vector<int>& cpus) : Thread(joinable, cpus) {}

protected:
    void* run() override { return nullptr; }
};

static std::vector<int> cpus;
static int* numbers = nullptr;

template <int N>
__global__ void kProbe() {}

// Takes the value, so that the linker has to find what it points to.
template <class T>
void keep(const T& value) {
    static volatile char sink;
    sink = *reinterpret_cast<const volatile char*>(&value);
    (void)sink;
}

#endif
