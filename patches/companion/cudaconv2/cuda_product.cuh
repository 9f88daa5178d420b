// One tiled product for all convolutions: C (rows x columns) = A (rows x depth) . B (depth x columns), where A and B are
// not stored anywhere but read through loaders that know how windows lie in images (implicit products).
//
// A block of threads makes one ROWS x COLUMNS tile of C in registers, DEPTH terms at a time through shared memory, with
// the next terms fetched while the present ones are multiplied. Each element is one sum in ascending order of depth: no
// atomics, the same bits on every run.
//
// A loader has: Line line(int i), what is fixed along depth for row or column i; float at(Line, int k); and a flag
// DEPTH_FAST that says which of the two neighbouring threads should walk along for coalesced reads. `select(batch)` turns
// loaders and result to one product of a batch, and the left loader's depth() then says how many terms it has.
#ifndef COMPANION_CONV_CUDA_PRODUCT_CUH
#define COMPANION_CONV_CUDA_PRODUCT_CUH

#include "cuda_launch.h"

namespace conv_backend {

// What all products of a batch have in common; their depth is the left loader's to say.
struct ProductShape {
    int rows;
    int columns;
    int batch;
};

template <int ROWS, int COLUMNS, int DEPTH, int ROWS_EACH, int COLUMNS_EACH>
struct Tile {
    static const int rows = ROWS, columns = COLUMNS, depth = DEPTH, rowsEach = ROWS_EACH, columnsEach = COLUMNS_EACH;
    static const int threadsX = COLUMNS / COLUMNS_EACH, threads = ROWS / ROWS_EACH * threadsX;
};

// A thread's share of a tile WIDTH wide: which lines it fetches, at which depth.
template <class Loader, int WIDTH, int DEPTH, int THREADS>
struct Fetch {
    static const int each = WIDTH * DEPTH / THREADS;

    __device__ static int line(int e) {
        const int flat = threadIdx.x + e * THREADS;
        return Loader::DEPTH_FAST ? flat / DEPTH : flat % WIDTH;
    }
    __device__ static int depth(int e) {
        const int flat = threadIdx.x + e * THREADS;
        return Loader::DEPTH_FAST ? flat % DEPTH : flat / WIDTH;
    }
};

// Where in a tile of `width` a thread's element u lies: neighbours in fours, so that shared memory is read in one piece.
template <int EACH, int THREADS>
__device__ inline int place(int thread, int u) {
    return EACH % 4 == 0 ? u / 4 * (THREADS * 4) + thread * 4 + u % 4 : u * THREADS + thread;
}

template <class Left, class Right, class Result, class T>
__global__ void __launch_bounds__(T::threads) kProduct(ProductShape shape, Left left, Right right, Result result) {
    typedef Fetch<Left, T::rows, T::depth, T::threads> FetchLeft;
    typedef Fetch<Right, T::columns, T::depth, T::threads> FetchRight;
    __shared__ float a[T::depth][T::rows + 4] __attribute__((aligned(16)));
    __shared__ float b[T::depth][T::columns + 4] __attribute__((aligned(16)));

    const int columnTiles = (shape.columns + T::columns - 1) / T::columns;
    const int batch = blockIdx.x / columnTiles;
    const int column0 = blockIdx.x % columnTiles * T::columns, row0 = blockIdx.y * T::rows;
    left.select(batch);
    right.select(batch);
    const int depth = left.depth();

    typename Left::Line rows[FetchLeft::each];
    typename Right::Line columns[FetchRight::each];
    bool rowExists[FetchLeft::each], columnExists[FetchRight::each];
#pragma unroll
    for (int e = 0; e < FetchLeft::each; e++) {
        const int i = row0 + FetchLeft::line(e);
        rowExists[e] = i < shape.rows;
        rows[e] = left.line(rowExists[e] ? i : 0);
    }
#pragma unroll
    for (int e = 0; e < FetchRight::each; e++) {
        const int j = column0 + FetchRight::line(e);
        columnExists[e] = j < shape.columns;
        columns[e] = right.line(columnExists[e] ? j : 0);
    }

    float sums[T::rowsEach][T::columnsEach];
#pragma unroll
    for (int u = 0; u < T::rowsEach; u++)
#pragma unroll
        for (int v = 0; v < T::columnsEach; v++) sums[u][v] = 0;

    const int threadX = threadIdx.x % T::threadsX, threadY = threadIdx.x / T::threadsX;
    float nextA[FetchLeft::each], nextB[FetchRight::each];
    for (int k0 = -T::depth; k0 < depth; k0 += T::depth) {
        // Fetched one step ahead; the first step multiplies nothing.
#pragma unroll
        for (int e = 0; e < FetchLeft::each; e++) {
            const int k = k0 + T::depth + FetchLeft::depth(e);
            nextA[e] = rowExists[e] && k < depth ? left.at(rows[e], k) : 0;
        }
#pragma unroll
        for (int e = 0; e < FetchRight::each; e++) {
            const int k = k0 + T::depth + FetchRight::depth(e);
            nextB[e] = columnExists[e] && k < depth ? right.at(columns[e], k) : 0;
        }
        if (k0 >= 0) {
#pragma unroll
            for (int k = 0; k < T::depth; k++) {
                float x[T::rowsEach], y[T::columnsEach];
#pragma unroll
                for (int u = 0; u < T::rowsEach; u++)
                    x[u] = a[k][place<T::rowsEach, T::threads / T::threadsX>(threadY, u)];
#pragma unroll
                for (int v = 0; v < T::columnsEach; v++) y[v] = b[k][place<T::columnsEach, T::threadsX>(threadX, v)];
#pragma unroll
                for (int u = 0; u < T::rowsEach; u++)
#pragma unroll
                    for (int v = 0; v < T::columnsEach; v++) sums[u][v] += x[u] * y[v];
            }
        }
        __syncthreads();
#pragma unroll
        for (int e = 0; e < FetchLeft::each; e++) a[FetchLeft::depth(e)][FetchLeft::line(e)] = nextA[e];
#pragma unroll
        for (int e = 0; e < FetchRight::each; e++) b[FetchRight::depth(e)][FetchRight::line(e)] = nextB[e];
        __syncthreads();
    }

    result.select(batch);
#pragma unroll
    for (int u = 0; u < T::rowsEach; u++)
#pragma unroll
        for (int v = 0; v < T::columnsEach; v++) {
            const int i = row0 + place<T::rowsEach, T::threads / T::threadsX>(threadY, u);
            const int j = column0 + place<T::columnsEach, T::threadsX>(threadX, v);
            if (i < shape.rows && j < shape.columns) result.put(i, j, sums[u][v]);
        }
}

template <class T, class Left, class Right, class Result>
void product(const char* what, ProductShape shape, Left left, Right right, Result result) {
    const long columnTiles = (shape.columns + T::columns - 1) / T::columns;
    const long rowTiles = (shape.rows + T::rows - 1) / T::rows;
    if (columnTiles * rowTiles * shape.batch == 0) return;
    const dim3 grid((unsigned int)(columnTiles * shape.batch), (unsigned int)rowTiles);
    kProduct<Left, Right, Result, T><<<grid, T::threads>>>(shape, left, right, result);
    getLastCudaError(what);
}

}  // namespace conv_backend

#endif
