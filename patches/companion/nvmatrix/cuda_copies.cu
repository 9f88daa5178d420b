// Copies of the CUDA flavour: within a device, between devices with or without peer access, to and from pinned memory.
//
// What touches pinned memory has finished when a function here returns: the release hands such memory to other devices'
// threads and overwrites it without waiting (engine-semantics 5.5, 5.6). Between devices data travels by cudaMemcpyPeer,
// which waits for all earlier work of both and which all their later work waits for.
#include "backend.h"
#include "cuda_scratch.h"

namespace companion {

namespace {

const int SIDE = 32;
const int ROWS = 8;

// target(o, i) = source(o, i) where neighbours of the source lie along o and those of the target along i: through shared
// memory, so that both are walked along their neighbours. One more column keeps the threads of a warp in different banks.
__global__ void kTranspose(unsigned int numOuter, unsigned int numInner, Divisor across, Place target, Place source) {
    __shared__ float tile[SIDE][SIDE + 1];
    unsigned int column;
    const unsigned int firstOuter = across(blockIdx.x, column) * SIDE, firstInner = column * SIDE;
    for (unsigned int y = threadIdx.y; y < SIDE; y += ROWS) {
        const unsigned int o = firstOuter + threadIdx.x, i = firstInner + y;
        if (o < numOuter && i < numInner) {
            tile[y][threadIdx.x] = source.at(o, i);
        }
    }
    __syncthreads();
    for (unsigned int y = threadIdx.y; y < SIDE; y += ROWS) {
        const unsigned int o = firstOuter + y, i = firstInner + threadIdx.x;
        if (o < numOuter && i < numInner) {
            target.at(o, i) = tile[threadIdx.x][y];
        }
    }
}

// `bytes` from wherever they are to wherever they go; -1 is host memory.
void transfer(float* target, int to, const float* source, int from, size_t bytes) {
    if (from < 0 || to < 0) {
        // Finished when it returns, pinned memory or not.
        checkCudaErrors(cudaMemcpy(target, source, bytes, cudaMemcpyDefault));
    } else if (from == to && to == currentDevice()) {
        checkCudaErrors(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDefault, 0));
    } else {
        checkCudaErrors(cudaMemcpyPeer(target, to, source, from, bytes));
    }
}

// Floats from the first element to behind the last one.
size_t extent(MemoryShape shape, Operand operand) {
    return static_cast<size_t>((shape.outer - 1) * operand.outer + (shape.inner - 1) * operand.inner + 1);
}

void transposing(MemoryShape shape, Operand target, Operand source) {
    const long across = (shape.inner + SIDE - 1) / SIDE, down = (shape.outer + SIDE - 1) / SIDE;
    kTranspose<<<static_cast<unsigned int>(across * down), dim3(SIDE, ROWS)>>>(
        static_cast<unsigned int>(shape.outer), static_cast<unsigned int>(shape.inner),
        Divisor(static_cast<unsigned int>(across)), Place(shape, target), Place(shape, source));
    getLastCudaError("transposing copy");
}

}  // namespace

// A kernel reads the current device's memory only: that works with peer access, without it, and where it is possible but
// was not enabled. Gaps of a foreign operand travel along.
Operand reachable(MemoryShape shape, Operand source) {
    if (shape.count() == 0) {
        return source;
    }
    const int from = deviceOf(source.data), here = currentDevice();
    if (from == here) {
        return source;
    }
    const size_t bytes = extent(shape, source) * sizeof(float);
    float* const local = static_cast<float*>(scratch(bytes));
    transfer(local, here, source.data, from, bytes);
    return Operand(local, source.outer, source.inner);
}

void copyElements(MemoryShape shape, Operand target, Operand source) {
    if (shape.count() == 0) {
        return;
    }
    const int to = deviceOf(target.data);
    if (target.isFlat(shape) && source.isFlat(shape)) {
        transfer(target.data, to, source.data, deviceOf(source.data), shape.count() * sizeof(float));
        return;
    }
    const Operand local = reachable(shape, source);
    if (local.inner == 1) {
        applyUnary(NVMatrixOps::Identity(), shape, target, local);
    } else {
        transposing(shape, target, local);
    }
    if (to < 0) {
        checkCudaErrors(cudaDeviceSynchronize());
    }
}

}  // namespace companion
