// One tiled product for all convolutions: C (rows x columns) = A (rows x depth) . B (depth x columns), where A and B are
// not stored anywhere but read through loaders that know how windows lie in images (implicit products).
//
// A block makes one tile of C, eight by eight elements in the registers of each thread, DEPTH terms at a time through
// shared memory: the next terms are fetched while the present ones are multiplied, into the other half of the buffer, so
// that one barrier a step is enough. Each element is one sum in ascending order of depth: no atomics, the same bits on
// every run.
//
// Depth is made of runs of equal length, along which each operand is walked in steps of its own: where its terms lie is worked
// out only where a run begins. A loader has: Line line(int i), what is fixed along depth for row or column i;
// const float* start(Line, int run), null where the run is zero throughout; step(), from one term of a run to the next; and
// ALONG_DEPTH, which says whether neighbours in memory are successive terms of one line (step() is 1) or successive lines of
// one term. VECTOR neighbours are fetched at once: 4 where the caller knows that every group of four lies together, begins
// at a multiple of 16 bytes and is inside or outside as a whole; 1 always. `select(batch)` turns loaders and result to one
// product of a batch, and the left loader's depth() then says how many terms it has. A result has
// float* address(int i, int j) and ALONG_ROWS, which says whether its neighbours in memory are rows.
#ifndef COMPANION_CONV_CUDA_PRODUCT_CUH
#define COMPANION_CONV_CUDA_PRODUCT_CUH

#include "cuda_launch.h"

#include <nvmatrix_index.cuh>

namespace conv_backend {

using companion::Divisor;
using companion::Lanes;
using companion::loadLanes;
using companion::storeLanes;

// What all products of a batch have in common; their depth is the left loader's to say.
struct ProductShape {
    int rows;
    int columns;
    int batch;
};

// The terms of one product: `runs` runs of equal length.
struct Depth {
    int runs;
    Divisor length;

    __device__ int runLength() const { return (int)length.by(); }
};

// Terms of a step.
const int DEPTH = 8;
// Rows and columns of one thread. Fewer would make shared memory the limit: 64 multiply-adds for 16 numbers read.
const int EACH = 8;

template <int ROWS>
struct Tile {
    static const int rows = ROWS, columns = 128;
    static const int threadsX = columns / EACH, threadsY = rows / EACH, threads = threadsX * threadsY;
    // A warp is as square as it can be, so that it reads few different numbers.
    static const int lanesY = threadsY % 4 == 0 ? 4 : 2, lanesX = 32 / lanesY;
    // Blocks that the registers of one multiprocessor have to hold together: about twelve warps.
    static const int blocks = (384 + threads / 2) / threads;
};

// A thread's shares in bringing WIDTH lines, DEPTH terms at a time, to shared memory: one term of several lines. Threads that
// are neighbours fetch neighbours.
template <class Loader, int WIDTH, int THREADS, int VECTOR>
class Fetcher {
public:
    typedef float Buffer[DEPTH][WIDTH + 4];

    // The lines are `first` and those after it, up to `count`.
    __device__ Fetcher(const Loader& loader, int first, int count, const Depth& depth)
        : numLines(count - first), run(0), term(firstTerm()) {
#pragma unroll
        for (int e = 0; e < shares; e++) lines[e] = loader.line(lineOf(e) < numLines ? first + lineOf(e) : first);
        turn(loader, depth);
    }

    // Begins to bring the terms at hand from memory.
    __device__ void fetch() {
#pragma unroll
        for (int e = 0; e < shares; e++) {
#pragma unroll
            for (int v = 0; v < VECTOR; v++) next[e].at[v] = 0;
            if (inside[e]) next[e] = loadLanes<VECTOR>(from[e]);
        }
    }

    __device__ void store(Buffer& buffer) const {
#pragma unroll
        for (int e = 0; e < shares; e++) {
            if (!hasLine(e)) continue;
            if (Loader::ALONG_DEPTH) {
#pragma unroll
                for (int v = 0; v < VECTOR; v++) buffer[firstTerm() + v][lineOf(e)] = next[e].at[v];
            } else {
                storeLanes(&buffer[firstTerm()][lineOf(e)], next[e]);
            }
        }
    }

    // Goes on to the terms of the next step.
    __device__ void advance(const Loader& loader, const Depth& depth) {
        term += DEPTH;
        if (term >= depth.runLength()) {
            turn(loader, depth);
        } else {
#pragma unroll
            for (int e = 0; e < shares; e++) from[e] += DEPTH * loader.step();
        }
    }

private:
    // Threads side by side along depth or along the lines, how many lines all threads reach at once, and how often they must.
    static const int sideBySide = Loader::ALONG_DEPTH ? DEPTH / VECTOR : THREADS / DEPTH;
    static const int reach = Loader::ALONG_DEPTH ? THREADS / sideBySide : sideBySide * VECTOR;
    static const int shares = (WIDTH + reach - 1) / reach;

    typename Loader::Line lines[shares];
    int numLines, run, term;
    bool inside[shares];
    const float* from[shares];
    Lanes<VECTOR> next[shares];

    __device__ static int firstTerm() {
        return Loader::ALONG_DEPTH ? threadIdx.x % sideBySide * VECTOR : threadIdx.x / sideBySide;
    }
    __device__ static int lineOf(int e) {
        return e * reach + (Loader::ALONG_DEPTH ? threadIdx.x / sideBySide : threadIdx.x % sideBySide * VECTOR);
    }
    __device__ static bool hasLine(int e) { return WIDTH % reach == 0 || lineOf(e) < WIDTH; }

    // A term past the end of its run lies in a later one.
    __device__ void turn(const Loader& loader, const Depth& depth) {
        const int runs = (int)depth.length(term);
        run += runs;
        term -= runs * depth.runLength();
#pragma unroll
        for (int e = 0; e < shares; e++) {
            const bool exists = hasLine(e) && lineOf(e) < numLines && run < depth.runs;
            const float* const start = exists ? loader.start(lines[e], run) : nullptr;
            inside[e] = start != nullptr;
            from[e] = start + term * loader.step();
        }
    }
};

// Where a thread's element u lies among `threads` threads: in fours, so that neighbouring threads read neighbouring fours.
__device__ inline int place(int threads, int thread, int u) { return u / 4 * (threads * 4) + thread * 4 + u % 4; }

template <class T>
__device__ inline void multiply(const float (&a)[DEPTH][T::rows + 4], const float (&b)[DEPTH][T::columns + 4], int threadY,
                                int threadX, float (&sums)[EACH][EACH]) {
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        Lanes<4> x[EACH / 4], y[EACH / 4];
#pragma unroll
        for (int u = 0; u < EACH; u += 4) {
            x[u / 4] = loadLanes<4>(&a[k][place(T::threadsY, threadY, u)]);
            y[u / 4] = loadLanes<4>(&b[k][place(T::threadsX, threadX, u)]);
        }
#pragma unroll
        for (int u = 0; u < EACH; u++)
#pragma unroll
            for (int v = 0; v < EACH; v++) sums[u][v] += x[u / 4].at[u % 4] * y[v / 4].at[v % 4];
    }
}

template <class Left, class Right, class Result, class T, int VECTOR>
__global__ void __launch_bounds__(T::threads, VECTOR > 1 ? T::blocks : 1)
    kProduct(ProductShape shape, Left left, Right right, Result result, Scales scales) {
    __shared__ float a[2][DEPTH][T::rows + 4] __attribute__((aligned(16)));
    __shared__ float b[2][DEPTH][T::columns + 4] __attribute__((aligned(16)));

    const int columnTiles = (shape.columns + T::columns - 1) / T::columns;
    const int batch = blockIdx.x / columnTiles;
    const int column0 = blockIdx.x % columnTiles * T::columns, row0 = blockIdx.y * T::rows;
    left.select(batch);
    right.select(batch);
    const Depth depth = left.depth();

    Fetcher<Left, T::rows, T::threads, VECTOR> rows(left, row0, shape.rows, depth);
    Fetcher<Right, T::columns, T::threads, VECTOR> columns(right, column0, shape.columns, depth);
    const auto bringNext = [&](int half) {
        rows.store(a[half]);
        columns.store(b[half]);
        // Only now, when what was fetched needs no registers any more.
        rows.advance(left, depth);
        columns.advance(right, depth);
    };
    rows.fetch();
    columns.fetch();
    bringNext(0);
    __syncthreads();

    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warpsX = T::threadsX / T::lanesX;
    const int threadX = warp % warpsX * T::lanesX + lane % T::lanesX;
    const int threadY = warp / warpsX * T::lanesY + lane / T::lanesX;
    float sums[EACH][EACH];
#pragma unroll
    for (int u = 0; u < EACH; u++)
#pragma unroll
        for (int v = 0; v < EACH; v++) sums[u][v] = 0;

    int now = 0;
    for (int remaining = depth.runs * depth.runLength(); remaining > 0; remaining -= DEPTH) {
        const bool more = remaining > DEPTH;
        if (more) {
            rows.fetch();
            columns.fetch();
        }
        multiply<T>(a[now], b[now], threadY, threadX, sums);
        now = 1 - now;
        if (more) {
            // Nobody reads this half any more: the last barrier came after its last use.
            bringNext(now);
            __syncthreads();
        }
    }

    result.select(batch);
    const int down = Result::ALONG_ROWS ? VECTOR : 1, across = Result::ALONG_ROWS ? 1 : VECTOR;
#pragma unroll
    for (int u = 0; u < EACH; u += down)
#pragma unroll
        for (int v = 0; v < EACH; v += across) {
            const int i = row0 + place(T::threadsY, threadY, u), j = column0 + place(T::threadsX, threadX, v);
            if (i >= shape.rows || j >= shape.columns) continue;
            Lanes<VECTOR> values;
#pragma unroll
            for (int w = 0; w < VECTOR; w++) values.at[w] = sums[u + (down > 1 ? w : 0)][v + (across > 1 ? w : 0)];
            writeLanes(result.address(i, j), values, scales);
        }
}

template <class T, int VECTOR, class Left, class Right, class Result>
void launchProduct(const char* what, ProductShape shape, Left left, Right right, Result result, Scales scales) {
    const long columnTiles = (shape.columns + T::columns - 1) / T::columns;
    const long rowTiles = (shape.rows + T::rows - 1) / T::rows;
    if (columnTiles * rowTiles * shape.batch == 0) return;
    const dim3 grid((unsigned int)(columnTiles * shape.batch), (unsigned int)rowTiles);
    kProduct<Left, Right, Result, T, VECTOR><<<grid, T::threads>>>(shape, left, right, result, scales);
    getLastCudaError(what);
}

// The height of tile for so many rows: layers of the release have 32, 48, 64, 96, 128, 192, 256 or 384 filters. A tile costs
// its rows, padding included, and as much as about 16 rows for fetching its columns.
inline int tileRows(int rows) {
    const int heights[] = {128, 96, 64, 48, 32};
    int best = 0, least = 0;
    for (int height : heights) {
        const int cost = (rows + height - 1) / height * (height + 16);
        if (best == 0 || cost < least) {
            best = height;
            least = cost;
        }
    }
    return best;
}

// `together`: groups of four may be fetched and written at once, in all operands.
template <class Left, class Right, class Result>
void product(const char* what, bool together, ProductShape shape, Left left, Right right, Result result, Scales scales) {
    if (!together) return launchProduct<Tile<64>, 1>(what, shape, left, right, result, scales);
    switch (tileRows(shape.rows)) {
        case 32: return launchProduct<Tile<32>, 4>(what, shape, left, right, result, scales);
        case 48: return launchProduct<Tile<48>, 4>(what, shape, left, right, result, scales);
        case 64: return launchProduct<Tile<64>, 4>(what, shape, left, right, result, scales);
        case 96: return launchProduct<Tile<96>, 4>(what, shape, left, right, result, scales);
        default: return launchProduct<Tile<128>, 4>(what, shape, left, right, result, scales);
    }
}

}  // namespace conv_backend

#endif
