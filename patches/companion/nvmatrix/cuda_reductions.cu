// Sums and maxima of the CUDA flavour. Every part of a sum is added in an order that follows from the shape alone: no
// atomics, so results repeat to the bit. Short runs are added in single precision, everything above them in double. What one
// block can do alone it writes to the target itself; else a second kernel adds the blocks' parts.
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
// Rows of threads that share the lines of a band, and the number of lines from which sharing pays.
const int SHARING_ROWS = 8;
const long SHARED_LINES = 64;
// Floats that are added in single precision before their sum goes to double.
const int RUN = 16;
// Elements of a line, or lines, for one block; what exceeds it is shared among blocks.
const long SEGMENT = 8192;
const long BAND = 128;
// Columns that keep a GPU busy even where one block takes four times as many lines, which leaves fewer parts to add.
const long MANY_COLUMNS = 16384;
const long PARTS = 256;
const long MAX_BLOCKS_Y = 32768;

struct Sum {
    static __device__ double base() { return 0; }
    static __device__ double both(double a, double b) { return a + b; }
    // `count` values that lie `step` apart, at most RUN.
    static __device__ double run(const float* x, unsigned int step, unsigned int count) {
        float sum = 0;
        if (count == RUN) {
#pragma unroll
            for (unsigned int i = 0; i < RUN; i++) {
                sum += x[i * step];
            }
            return sum;
        }
        for (unsigned int i = 0; i < count; i++) {
            sum += x[i * step];
        }
        return sum;
    }
};

struct Maximum {
    static __device__ double base() { return NVMatrixAggs::Max().getBaseValue(); }
    static __device__ double both(double a, double b) { return a > b ? a : b; }
    static __device__ double run(const float* x, unsigned int step, unsigned int count) {
        const NVMatrixAggs::Max larger;
        float largest = larger.getBaseValue();
        for (unsigned int i = 0; i < count; i++) {
            largest = larger(largest, x[i * step]);
        }
        return largest;
    }
};

// What becomes of one result.
struct Ending {
    Aggregation how;
    float* target;
    __device__ void operator()(unsigned int r, double whole) const {
        const float result = static_cast<float>(whole);
        if (how.maximum) {
            target[r] = result;
        } else if (how.scaleTarget == 0) {
            target[r] = how.scaleSum * result;
        } else {
            target[r] = how.scaleTarget * target[r] + how.scaleSum * result;
        }
    }
};

// All of `first` to `last` in steps of `stride`, whose distance in memory is `step`.
template <class How>
__device__ double gather(const float* x, unsigned int step, unsigned int first, unsigned int last, unsigned int stride) {
    double result = How::base();
    for (unsigned int i = first; i < last; i += stride * RUN) {
        const unsigned int left = (last - i + stride - 1) / stride;
        result = How::both(result, How::run(x + i * step, stride * step, left < RUN ? left : RUN));
    }
    return result;
}

// One block for each segment of each line: the result where a line is one segment, else parts[line * gridDim.x + segment].
template <class How>
__global__ void kInner(unsigned int lines, unsigned int length, const float* source, unsigned int stride,
                       unsigned int segment, double* parts, Ending ending) {
    __shared__ double shared[THREADS];
    const unsigned int first = blockIdx.x * segment;
    const unsigned int last = first + segment < length ? first + segment : length;
    for (unsigned int line = blockIdx.y; line < lines; line += gridDim.y) {
        shared[threadIdx.x] = gather<How>(source + line * stride, 1, first + threadIdx.x, last, THREADS);
        __syncthreads();
        for (unsigned int half = THREADS / 2; half > 0; half /= 2) {
            if (threadIdx.x < half) {
                shared[threadIdx.x] = How::both(shared[threadIdx.x], shared[threadIdx.x + half]);
            }
            __syncthreads();
        }
        if (threadIdx.x == 0) {
            if (parts == nullptr) {
                ending(line, shared[0]);
            } else {
                parts[line * gridDim.x + blockIdx.x] = shared[0];
            }
        }
        __syncthreads();
    }
}

// One warp for each line.
template <class How>
__global__ void kShortInner(unsigned int lines, unsigned int length, const float* source, unsigned int stride,
                            Ending ending) {
    const unsigned int line = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (line < lines) {
        double mine = gather<How>(source + line * stride, 1, lane, length, WARP);
        for (int distance = WARP / 2; distance > 0; distance /= 2) {
            mine = How::both(mine, __shfl_down_sync(0xffffffffu, mine, distance));
        }
        if (lane == 0) {
            ending(line, mine);
        }
    }
}

// THREADS / ROWS neighbours for each block, its rows of threads taking turns over the lines of the band: the result where
// there is one band, else parts[band * length + i].
template <class How, int ROWS>
__global__ void kOuter(unsigned int lines, unsigned int length, const float* source, unsigned int stride, unsigned int band,
                       double* parts, Ending ending) {
    __shared__ double shared[ROWS][THREADS / ROWS];
    const unsigned int first = blockIdx.y * band;
    const unsigned int last = first + band < lines ? first + band : lines;
    const unsigned int i = blockIdx.x * (THREADS / ROWS) + threadIdx.x;
    double mine = How::base();
    if (i < length) {
        mine = gather<How>(source + i, stride, first + threadIdx.y, last, ROWS);
    }
    shared[threadIdx.y][threadIdx.x] = mine;
    __syncthreads();
    if (threadIdx.y > 0 || i >= length) {
        return;
    }
    for (int row = 1; row < ROWS; row++) {
        mine = How::both(mine, shared[row][threadIdx.x]);
    }
    if (parts == nullptr) {
        ending(i, mine);
    } else {
        parts[blockIdx.y * length + i] = mine;
    }
}

// The results from their parts at parts[r * resultStep + p * partStep].
template <class How>
__global__ void kFinish(unsigned int results, unsigned int count, unsigned int resultStep, unsigned int partStep,
                        const double* parts, Ending ending) {
    const unsigned int r = flatThread();
    if (r < results) {
        double whole = How::base();
        for (unsigned int p = 0; p < count; p++) {
            whole = How::both(whole, parts[r * resultStep + p * partStep]);
        }
        ending(r, whole);
    }
}

long numPieces(long length, long piece) { return std::max(1L, (length + piece - 1) / piece); }

// A piece's length such that there are at most PARTS pieces.
long pieceLength(long length, long preferred) { return std::max(preferred, (length + PARTS - 1) / PARTS); }

template <class How>
void inner(Ending ending, MemoryShape shape, Operand source) {
    const unsigned int lines = shape.outer, length = shape.inner, stride = source.outer;
    if (length <= SHORT) {
        kShortInner<How><<<numPieces(lines, THREADS / WARP), THREADS>>>(lines, length, source.data, stride, ending);
        getLastCudaError("reduction of short lines");
        return;
    }
    const long segment = pieceLength(length, SEGMENT), segments = numPieces(length, segment);
    double* const parts =
        segments == 1 ? nullptr : static_cast<double*>(scratch(shape.outer * segments * sizeof(double)));
    const dim3 grid(segments, std::min(shape.outer, MAX_BLOCKS_Y));
    kInner<How><<<grid, THREADS>>>(lines, length, source.data, stride, segment, parts, ending);
    getLastCudaError("reduction along lines");
    if (parts != nullptr) {
        kFinish<How><<<flatBlocks(lines), FLAT_THREADS>>>(lines, segments, segments, 1, parts, ending);
        getLastCudaError("end of a reduction along lines");
    }
}

template <class How, int ROWS>
void outer(Ending ending, MemoryShape shape, Operand source) {
    const unsigned int lines = shape.outer, length = shape.inner, stride = source.outer;
    const long band = pieceLength(lines, length < MANY_COLUMNS ? BAND : 4 * BAND), bands = numPieces(lines, band);
    double* const parts = bands == 1 ? nullptr : static_cast<double*>(scratch(bands * length * sizeof(double)));
    const unsigned int columns = THREADS / ROWS;
    const dim3 grid((length + columns - 1) / columns, bands), block(columns, ROWS);
    kOuter<How, ROWS><<<grid, block>>>(lines, length, source.data, stride, band, parts, ending);
    getLastCudaError("reduction over lines");
    if (parts != nullptr) {
        kFinish<How><<<flatBlocks(length), FLAT_THREADS>>>(length, bands, 1, length, parts, ending);
        getLastCudaError("end of a reduction over lines");
    }
}

template <class How>
void reduce(bool alongLines, Ending ending, MemoryShape shape, Operand source) {
    // All offsets of a matrix fit into 32 bits; a matrix in its own order has neighbours side by side.
    assert(source.inner == 1 && shape.count() <= 0x7fffffff);
    if (alongLines) {
        inner<How>(ending, shape, source);
    } else if (shape.inner == 1 && source.outer == 1) {
        inner<How>(ending, MemoryShape(1, shape.outer), source);
    } else if (shape.outer < SHARED_LINES) {
        outer<How, 1>(ending, shape, source);
    } else {
        outer<How, SHARING_ROWS>(ending, shape, source);
    }
}

}  // namespace

double sumAll(MemoryShape shape, Operand source) {
    if (shape.count() == 0) {
        return 0;
    }
    assert(source.inner == 1);
    if (source.isFlat(shape)) {
        shape = MemoryShape(1, shape.count());
    }
    const long segment = pieceLength(shape.inner, SEGMENT), segments = numPieces(shape.inner, segment);
    std::vector<double> parts(shape.outer * segments);
    double* const onDevice = static_cast<double*>(scratch(parts.size() * sizeof(double)));
    const dim3 grid(segments, std::min(shape.outer, MAX_BLOCKS_Y));
    const Ending none = Ending();
    kInner<Sum><<<grid, THREADS>>>(shape.outer, shape.inner, source.data, source.outer, segment, onDevice, none);
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
        const Ending ending = {how, target};
        how.maximum ? reduce<Maximum>(true, ending, shape, source) : reduce<Sum>(true, ending, shape, source);
    }
}

void reduceOuter(Aggregation how, MemoryShape shape, Operand source, float* target) {
    if (shape.inner > 0) {
        const Ending ending = {how, target};
        how.maximum ? reduce<Maximum>(false, ending, shape, source) : reduce<Sum>(false, ending, shape, source);
    }
}

}  // namespace companion
