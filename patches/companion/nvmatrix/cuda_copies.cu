// Copies of the CUDA flavour: within a device, between devices with or without peer access, to and from pinned memory.
#include "backend.h"
#include "cuda_scratch.h"

namespace companion {

namespace {

const int SIDE = 32;
const int ROWS = 8;

// target(o, i) = source(o, i) where neighbours of the source lie along o and those of the target along i: through shared
// memory, so that both are walked along their neighbours. One more column keeps the threads of a warp in different banks.
__global__ void kTranspose(MemoryShape shape, Operand target, Operand source) {
    __shared__ float tile[SIDE][SIDE + 1];
    const long across = (shape.inner + SIDE - 1) / SIDE, down = (shape.outer + SIDE - 1) / SIDE;
    for (long t = blockIdx.x; t < across * down; t += gridDim.x) {
        const long firstOuter = t / across * SIDE, firstInner = t % across * SIDE;
        for (int y = threadIdx.y; y < SIDE; y += ROWS) {
            const long o = firstOuter + threadIdx.x, i = firstInner + y;
            if (o < shape.outer && i < shape.inner) {
                tile[y][threadIdx.x] = source.data[o * source.outer + i * source.inner];
            }
        }
        __syncthreads();
        for (int y = threadIdx.y; y < SIDE; y += ROWS) {
            const long o = firstOuter + y, i = firstInner + threadIdx.x;
            if (o < shape.outer && i < shape.inner) {
                target.data[o * target.outer + i * target.inner] = tile[threadIdx.x][y];
            }
        }
        __syncthreads();
    }
}

// Lines of the source as its own memory has them, packed into scratch memory of the current device.
Operand packed(MemoryShape shape, Operand source) {
    const bool turned = source.inner != 1;
    const size_t line = (turned ? shape.outer : shape.inner) * sizeof(float);
    const size_t lines = turned ? shape.inner : shape.outer;
    const size_t pitch = (turned ? source.inner : source.outer) * sizeof(float);
    float* const local = static_cast<float*>(scratch(line * lines));
    if (pitch == line || lines == 1) {
        checkCudaErrors(cudaMemcpyPeer(local, currentDevice(), source.data, deviceOf(source.data), line * lines));
    } else {
        checkCudaErrors(cudaMemcpy2D(local, line, source.data, pitch, line, lines, cudaMemcpyDefault));
    }
    const long step = static_cast<long>(line / sizeof(float));
    return turned ? Operand(local, 1, step) : Operand(local, step, 1);
}

}  // namespace

// Between devices the data always travels as a copy, never by a kernel reading foreign memory: that works with peer access,
// without it, and where it is possible but was not enabled.
Operand reachable(MemoryShape shape, Operand source) {
    if (shape.count() == 0) {
        return source;
    }
    const int device = deviceOf(source.data);
    return device < 0 || device == currentDevice() ? source : packed(shape, source);
}

void copyElements(MemoryShape shape, Operand target, Operand source) {
    if (shape.count() == 0) {
        return;
    }
    const size_t bytes = shape.count() * sizeof(float);
    const int from = deviceOf(source.data), to = deviceOf(target.data);
    if (target.isFlat(shape) && source.isFlat(shape)) {
        if (from >= 0 && to >= 0 && from != to) {
            checkCudaErrors(cudaMemcpyPeer(target.data, to, source.data, from, bytes));
        } else {
            checkCudaErrors(cudaMemcpyAsync(target.data, source.data, bytes, cudaMemcpyDefault, 0));
        }
        return;
    }
    const Operand local = reachable(shape, source);
    if (local.inner == 1) {
        applyUnary(NVMatrixOps::Identity(), shape, target, local);
    } else {
        const long tiles = ((shape.inner + SIDE - 1) / SIDE) * ((shape.outer + SIDE - 1) / SIDE);
        kTranspose<<<blocksFor(tiles, 1, MAX_BLOCKS_X), dim3(SIDE, ROWS)>>>(shape, target, local);
        getLastCudaError("transposing copy");
    }
}

}  // namespace companion
