// Sums and maxima of the CUDA flavour. Every part of a sum is added in an order that follows from the shape alone: no
// atomics, so results repeat to the bit. Short runs are added in single precision, everything above them in double.
#include <algorithm>
#include <vector>

#include "backend.h"
#include "cuda_scratch.h"

namespace companion {

namespace {

const int THREADS = 256;
const int WARP = 32;
// Up to this length a line is one warp's work.
const long SHORT = 1024;
const int COLUMNS = 32;
const int COLUMN_ROWS = 8;
// Floats that are added in single precision before their sum goes to double.
const int RUN = 16;
// Elements of a line, or lines, for one block; what exceeds it is shared among blocks.
const long SEGMENT = 8192;
const long BAND = 512;
const long PARTS = 256;

struct Sum {
    static __device__ double base() { return 0; }
    static __device__ double both(double a, double b) { return a + b; }
    // `count` values that lie `step` apart, at most RUN.
    static __device__ double run(const float* x, long step, int count) {
        float sum = 0;
        if (count == RUN) {
#pragma unroll
            for (int i = 0; i < RUN; i++) {
                sum += x[i * step];
            }
            return sum;
        }
        for (int i = 0; i < count; i++) {
            sum += x[i * step];
        }
        return sum;
    }
};

struct Maximum {
    static __device__ double base() { return NVMatrixAggs::Max().getBaseValue(); }
    static __device__ double both(double a, double b) { return a > b ? a : b; }
    static __device__ double run(const float* x, long step, int count) {
        const NVMatrixAggs::Max larger;
        float largest = larger.getBaseValue();
        for (int i = 0; i < count; i++) {
            largest = larger(largest, x[i * step]);
        }
        return largest;
    }
};

// All of `first` to `last` in steps of `stride`, whose distance in memory is `step`.
template <class How>
__device__ double gather(const float* x, long step, long first, long last, long stride) {
    double result = How::base();
    for (long i = first; i < last; i += stride * RUN) {
        const long left = (last - i + stride - 1) / stride;
        result = How::both(result, How::run(x + i * step, stride * step, static_cast<int>(left < RUN ? left : RUN)));
    }
    return result;
}

// parts[line * gridDim.x + segment]: one block for each segment of each line.
template <class How>
__global__ void kInner(MemoryShape shape, Operand source, long segment, double* parts) {
    __shared__ double shared[THREADS];
    for (long line = blockIdx.y; line < shape.outer; line += gridDim.y) {
        const long first = blockIdx.x * segment;
        const long last = first + segment < shape.inner ? first + segment : shape.inner;
        shared[threadIdx.x] =
            gather<How>(source.data + line * source.outer, source.inner, first + threadIdx.x, last, THREADS);
        __syncthreads();
        for (unsigned int half = THREADS / 2; half > 0; half /= 2) {
            if (threadIdx.x < half) {
                shared[threadIdx.x] = How::both(shared[threadIdx.x], shared[threadIdx.x + half]);
            }
            __syncthreads();
        }
        if (threadIdx.x == 0) {
            parts[line * gridDim.x + blockIdx.x] = shared[0];
        }
        __syncthreads();
    }
}

// parts[line]: one warp for each line.
template <class How>
__global__ void kShortInner(MemoryShape shape, Operand source, double* parts) {
    const int lane = threadIdx.x % WARP;
    const long perGrid = static_cast<long>(gridDim.x) * (THREADS / WARP);
    for (long line = static_cast<long>(blockIdx.x) * (THREADS / WARP) + threadIdx.x / WARP; line < shape.outer;
         line += perGrid) {
        double mine = gather<How>(source.data + line * source.outer, source.inner, lane, shape.inner, WARP);
        for (int distance = WARP / 2; distance > 0; distance /= 2) {
            mine = How::both(mine, __shfl_down_sync(0xffffffffu, mine, distance));
        }
        if (lane == 0) {
            parts[line] = mine;
        }
    }
}

// parts[band * inner + i]: COLUMNS neighbours for each block, its rows of threads taking turns over the lines of the band.
template <class How>
__global__ void kOuter(MemoryShape shape, Operand source, long band, double* parts) {
    __shared__ double shared[COLUMN_ROWS][COLUMNS];
    const long first = blockIdx.y * band;
    const long last = first + band < shape.outer ? first + band : shape.outer;
    for (long block = blockIdx.x; block * COLUMNS < shape.inner; block += gridDim.x) {
        const long i = block * COLUMNS + threadIdx.x;
        double mine = How::base();
        if (i < shape.inner) {
            mine = gather<How>(source.data + i * source.inner, source.outer, first + threadIdx.y, last, COLUMN_ROWS);
        }
        shared[threadIdx.y][threadIdx.x] = mine;
        __syncthreads();
        if (threadIdx.y == 0 && i < shape.inner) {
            for (int row = 1; row < COLUMN_ROWS; row++) {
                mine = How::both(mine, shared[row][threadIdx.x]);
            }
            parts[blockIdx.y * shape.inner + i] = mine;
        }
        __syncthreads();
    }
}

// target[r] from its parts at parts[r * resultStep + p * partStep].
template <class How>
__global__ void kFinish(Aggregation how, long results, long count, long resultStep, long partStep, const double* parts,
                        float* target) {
    COMPANION_FOR_FLAT(r, results) {
        double whole = How::base();
        for (long p = 0; p < count; p++) {
            whole = How::both(whole, parts[r * resultStep + p * partStep]);
        }
        const float result = static_cast<float>(whole);
        if (how.maximum) {
            target[r] = result;
        } else if (how.scaleTarget == 0) {
            target[r] = how.scaleSum * result;
        } else {
            target[r] = how.scaleTarget * target[r] + how.scaleSum * result;
        }
    }
}

long numPieces(long length, long piece) { return std::max(1L, (length + piece - 1) / piece); }

// A piece's length such that there are at most PARTS pieces.
long pieceLength(long length, long preferred) { return std::max(preferred, (length + PARTS - 1) / PARTS); }

template <class How>
void inner(Aggregation how, MemoryShape shape, Operand source, float* target) {
    const long segment = pieceLength(shape.inner, SEGMENT), segments = numPieces(shape.inner, segment);
    double* const parts = static_cast<double*>(scratch(shape.outer * segments * sizeof(double)));
    if (shape.inner <= SHORT) {
        kShortInner<How><<<blocksFor(shape.outer, THREADS / WARP, MAX_BLOCKS_X), THREADS>>>(shape, source, parts);
    } else {
        const dim3 grid(static_cast<unsigned int>(segments), blocksFor(shape.outer, 1, MAX_BLOCKS_Y));
        kInner<How><<<grid, THREADS>>>(shape, source, segment, parts);
    }
    getLastCudaError("reduction along lines");
    kFinish<How><<<flatGrid(shape.outer), FLAT_THREADS>>>(how, shape.outer, segments, segments, 1, parts, target);
    getLastCudaError("end of a reduction along lines");
}

template <class How>
void outer(Aggregation how, MemoryShape shape, Operand source, float* target) {
    const long band = pieceLength(shape.outer, BAND), bands = numPieces(shape.outer, band);
    double* const parts = static_cast<double*>(scratch(bands * shape.inner * sizeof(double)));
    const dim3 grid(blocksFor(shape.inner, COLUMNS, MAX_BLOCKS_X), static_cast<unsigned int>(bands));
    kOuter<How><<<grid, dim3(COLUMNS, COLUMN_ROWS)>>>(shape, source, band, parts);
    getLastCudaError("reduction over lines");
    kFinish<How><<<flatGrid(shape.inner), FLAT_THREADS>>>(how, shape.inner, bands, 1, shape.inner, parts, target);
    getLastCudaError("end of a reduction over lines");
}

}  // namespace

double sumAll(MemoryShape shape, Operand source) {
    if (shape.count() == 0) {
        return 0;
    }
    if (source.isFlat(shape)) {
        shape = MemoryShape(1, shape.count());
    }
    const long segment = pieceLength(shape.inner, SEGMENT), segments = numPieces(shape.inner, segment);
    std::vector<double> parts(shape.outer * segments);
    double* const onDevice = static_cast<double*>(scratch(parts.size() * sizeof(double)));
    const dim3 grid(static_cast<unsigned int>(segments), blocksFor(shape.outer, 1, MAX_BLOCKS_Y));
    kInner<Sum><<<grid, THREADS>>>(shape, source, segment, onDevice);
    getLastCudaError("sum of all");
    checkCudaErrors(cudaMemcpy(parts.data(), onDevice, parts.size() * sizeof(double), cudaMemcpyDeviceToHost));
    double sum = 0;
    for (double part : parts) {
        sum += part;
    }
    return sum;
}

void reduceInner(Aggregation how, MemoryShape shape, Operand source, float* target) {
    if (shape.outer > 0) {
        (how.maximum ? inner<Maximum> : inner<Sum>)(how, shape, source, target);
    }
}

void reduceOuter(Aggregation how, MemoryShape shape, Operand source, float* target) {
    if (shape.inner > 0) {
        (how.maximum ? outer<Maximum> : outer<Sum>)(how, shape, source, target);
    }
}

}  // namespace companion
