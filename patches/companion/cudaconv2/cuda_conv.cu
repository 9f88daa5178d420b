// Convolution and locally connected layers on GPUs: implicit products over the (feature, case) layout (companion-native
// 4.2). Checked against direct float64 loops by tests/conv, the same programs as the CPU flavour's.
//
// forward: rows filters, columns (module, case), depth (colour, tap). images: rows colours, columns (pixel, case), depth
// (tap, filter): every pixel gathers from the modules that saw it, so nothing is written twice. weights: rows (colour,
// tap), columns filters, depth (module, case), in several sums that are added up in order where one would leave most of
// the GPU idle. Locally connected layers are a batch of one product for each module or pixel.
#include "cuda_product.cuh"

#include "../nvmatrix/cuda_scratch.h"

namespace conv_backend {

namespace {

__device__ int colorOf(const ConvShape& s, int group, int c) {
    const int at = group * s.filterColors + c;
    return s.colorIndices ? s.colorIndices[at] : at;
}

// -- loaders. A batch index is (part, group), group fastest; `part` is a module or pixel where filters are local.

struct ForwardFilters {
    static const bool DEPTH_FAST = false;
    typedef const float* Line;
    ConvShape s;
    const float* filters;

    __device__ void select(int batch) {
        const size_t rows = (size_t)(batch / s.groups) * s.filterRows();
        filters += rows * s.filters + batch % s.groups * s.filtersPerGroup();
    }
    __device__ int depth() const { return (int)s.filterRows(); }
    __device__ Line line(int f) const { return filters + f; }
    __device__ float at(Line line, int k) const { return line[k * s.filters]; }
};

// SIDE: the filter's side where it is one of the release's, so that taps are told apart without divisions; 0: any.
template <int SIDE>
struct ForwardWindows {
    static const bool DEPTH_FAST = false;
    struct Line {
        int y, x, i;
    };
    ConvShape s;
    const float* images;
    int group, module;

    __device__ void select(int batch) {
        group = batch % s.groups;
        module = batch / s.groups;
    }
    __device__ Line line(int column) const {
        const int m = s.local ? module : column / s.cases;
        const Line line = {s.paddingStart + m / s.modulesX * s.stride, s.paddingStart + m % s.modulesX * s.stride,
                           column % s.cases};
        return line;
    }
    __device__ float at(Line line, int k) const {
        const int side = SIDE > 0 ? SIDE : s.filterSize, tap = k % (side * side);
        const int y = line.y + tap / side, x = line.x + tap % side;
        if (y < 0 || y >= s.imgSizeY || x < 0 || x >= s.imgSizeX) return 0;
        return images[((colorOf(s, group, k / (side * side)) * s.imgSizeY + y) * s.imgSizeX + x) * s.cases + line.i];
    }
};

struct ForwardResult {
    ConvShape s;
    float* targets;
    Scales scales;

    __device__ void select(int batch) {
        const size_t first = (size_t)(batch % s.groups) * s.filtersPerGroup() * s.modules() + batch / s.groups;
        targets += first * s.cases;
    }
    __device__ void put(int f, int column, float value) const {
        write(targets + (size_t)f * s.modules() * s.cases + column, value, scales);
    }
};

// The module of one axis that sees `pixel` through `tap`, or -1.
__device__ int axisModule(const ConvShape& s, int pixel, int tap, int modules) {
    const int offset = pixel - s.paddingStart - tap;
    if (offset < 0 || offset % s.stride != 0 || offset / s.stride >= modules) return -1;
    return offset / s.stride;
}

// The module that sees pixel (y, x) through `tap`, or -1.
template <int SIDE>
__device__ int moduleSeeing(const ConvShape& s, int y, int x, int tap) {
    const int side = SIDE > 0 ? SIDE : s.filterSize;
    const int my = axisModule(s, y, tap / side, s.modulesY);
    const int mx = axisModule(s, x, tap % side, s.modulesX);
    return my < 0 || mx < 0 ? -1 : my * s.modulesX + mx;
}

struct BackwardFilters {
    static const bool DEPTH_FAST = true;
    typedef int Line;
    ConvShape s;
    const float* filters;
    int pixel;

    __device__ void select(int batch) {
        pixel = batch / s.groups;
        filters += batch % s.groups * s.filtersPerGroup();
    }
    __device__ int depth() const { return s.taps() * s.filtersPerGroup(); }
    __device__ Line line(int c) const { return c * s.taps(); }
    __device__ float at(Line line, int k) const {
        const int tap = k / s.filtersPerGroup(), f = k % s.filtersPerGroup();
        size_t row = line + tap;
        if (s.local) {
            const int module = moduleSeeing<0>(s, pixel / s.imgSizeX, pixel % s.imgSizeX, tap);
            if (module < 0) return 0;
            row += (size_t)module * s.filterRows();
        }
        return filters[row * s.filters + f];
    }
};

template <int SIDE>
struct BackwardWindows {
    static const bool DEPTH_FAST = false;
    struct Line {
        int y, x, i;
    };
    ConvShape s;
    const float* hidActs;
    int pixel;

    __device__ void select(int batch) {
        pixel = batch / s.groups;
        hidActs += (size_t)(batch % s.groups) * s.filtersPerGroup() * s.modules() * s.cases;
    }
    __device__ Line line(int column) const {
        const int own = s.local ? pixel : column / s.cases;
        const Line line = {own / s.imgSizeX, own % s.imgSizeX, column % s.cases};
        return line;
    }
    __device__ float at(Line line, int k) const {
        const int module = moduleSeeing<SIDE>(s, line.y, line.x, k / s.filtersPerGroup());
        if (module < 0) return 0;
        return hidActs[(k % s.filtersPerGroup() * s.modules() + module) * s.cases + line.i];
    }
};

struct BackwardResult {
    ConvShape s;
    float* targets;
    Scales scales;
    int group;

    __device__ void select(int batch) {
        group = batch % s.groups;
        const int sample = group / s.groupsPerSample();
        targets += ((size_t)sample * s.colors * s.imgPixels() + batch / s.groups) * s.cases;
    }
    __device__ void put(int c, int column, float value) const {
        write(targets + (size_t)colorOf(s, group, c) * s.imgPixels() * s.cases + column, value, scales);
    }
};

// Which modules one product of the weight gradient sums over: `splits` runs of `length` for each of the sums.
struct WeightRuns {
    int modulesPerSum;
    int length;
    int splits;

    __device__ int first(int run) const { return run / splits * modulesPerSum + run % splits * length; }
    __device__ int count(int run) const {
        const int left = modulesPerSum - run % splits * length;
        return left < length ? left : length;
    }
};

struct WeightWindows {
    static const bool DEPTH_FAST = true;
    struct Line {
        int image, ky, kx;
    };
    ConvShape s;
    const float* images;
    WeightRuns runs;
    int group, first, count;

    __device__ void select(int batch) {
        group = batch % s.groups;
        first = runs.first(batch / s.groups);
        count = runs.count(batch / s.groups);
    }
    __device__ int depth() const { return count * s.cases; }
    __device__ Line line(int row) const {
        const int tap = row % s.taps();
        const Line line = {colorOf(s, group, row / s.taps()), tap / s.filterSize, tap % s.filterSize};
        return line;
    }
    __device__ float at(Line line, int k) const {
        const int m = first + k / s.cases;
        const int y = s.paddingStart + m / s.modulesX * s.stride + line.ky;
        const int x = s.paddingStart + m % s.modulesX * s.stride + line.kx;
        if (y < 0 || y >= s.imgSizeY || x < 0 || x >= s.imgSizeX) return 0;
        return images[((line.image * s.imgSizeY + y) * s.imgSizeX + x) * s.cases + k % s.cases];
    }
};

struct WeightHidden {
    static const bool DEPTH_FAST = true;
    typedef const float* Line;
    ConvShape s;
    const float* hidActs;
    WeightRuns runs;

    __device__ void select(int batch) {
        const size_t row = (size_t)(batch % s.groups) * s.filtersPerGroup() * s.modules() + runs.first(batch / s.groups);
        hidActs += row * s.cases;
    }
    __device__ Line line(int f) const { return hidActs + (size_t)f * s.modules() * s.cases; }
    __device__ float at(Line line, int k) const { return line[k]; }
};

struct WeightResult {
    ConvShape s;
    float* targets;
    Scales scales;

    __device__ void select(int batch) {
        targets += (size_t)(batch / s.groups) * s.filterRows() * s.filters + batch % s.groups * s.filtersPerGroup();
    }
    __device__ void put(int row, int f, float value) const { write(targets + (size_t)row * s.filters + f, value, scales); }
};

// target[sum][e] from its `splits` parts [sum][split][e], in order.
__global__ void kAddSplits(const float* parts, float* target, size_t elements, size_t count, int splits, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const float* part = parts + at / elements * splits * elements + at % elements;
        float sum = 0;
        for (int k = 0; k < splits; k++) sum += part[k * elements];
        write(target + at, sum, scales);
    }
}

// Tiles for few, more and many rows; the layers of the release have 32, 48, 64, 96, 128, 192, ... filters.
typedef Tile<32, 128, 8, 4, 4> SmallTile;
typedef Tile<64, 128, 8, 8, 4> MiddleTile;
typedef Tile<128, 128, 8, 8, 8> LargeTile;
typedef Tile<32, 32, 16, 4, 2> SmallWeightTile;
typedef Tile<64, 64, 16, 4, 4> WeightTile;

template <class Left, class Right, class Result>
void wideProduct(const char* what, ProductShape shape, Left left, Right right, Result result) {
    if (shape.rows <= 32) {
        product<SmallTile>(what, shape, left, right, result);
    } else if (shape.rows <= 64 || (shape.rows % 128 != 0 && shape.rows % 128 <= 64)) {
        product<MiddleTile>(what, shape, left, right, result);
    } else {
        product<LargeTile>(what, shape, left, right, result);
    }
}

// Runs for each sum such that the whole is enough work for a large GPU, if the sums are long enough to be split.
const int WANTED_BLOCKS = 512;
const int LEAST_DEPTH = 512;

WeightRuns weightRuns(const ConvShape& s, int modulesPerSum, int tileRows, int tileColumns) {
    const int sums = s.modules() / modulesPerSum;
    const long tiles = (long)(((int)s.filterRows() + tileRows - 1) / tileRows) *
                       ((s.filtersPerGroup() + tileColumns - 1) / tileColumns) * s.groups * sums;
    const long depth = (long)modulesPerSum * (s.cases > 0 ? s.cases : 1);
    long splits = (WANTED_BLOCKS + tiles - 1) / tiles;
    if (splits > depth / LEAST_DEPTH) splits = depth / LEAST_DEPTH;
    if (splits > modulesPerSum) splits = modulesPerSum;
    if (splits < 1) splits = 1;
    WeightRuns runs = {modulesPerSum, (int)((modulesPerSum + splits - 1) / splits), 1};
    runs.splits = (modulesPerSum + runs.length - 1) / runs.length;
    return runs;
}

template <class T>
void weightProducts(const ConvShape& s, const float* images, const float* hidActs, float* targets, int modulesPerSum,
                    Scales scales) {
    const WeightRuns runs = weightRuns(s, modulesPerSum, T::rows, T::columns);
    const int sums = s.modules() / modulesPerSum;
    const size_t elements = s.filterRows() * s.filters, count = sums * elements;
    const Scales plain = {0, 1};
    const bool split = runs.splits > 1;
    float* const parts = split ? (float*)companion::scratch(count * runs.splits * sizeof(float)) : targets;
    const WeightWindows windows = {s, images, runs, 0, 0, 0};
    const WeightHidden hidden = {s, hidActs, runs};
    const WeightResult result = {s, parts, split ? plain : scales};
    const ProductShape shape = {(int)s.filterRows(), s.filtersPerGroup(), s.groups * sums * runs.splits};
    product<T>("weight gradient of a convolution", shape, windows, hidden, result);
    if (split) {
        kAddSplits<<<elementGrid(count), ELEMENT_THREADS>>>(parts, targets, elements, count, runs.splits, scales);
        getLastCudaError("sum of a convolution's weight gradients");
    }
}

template <int SIDE>
void forward(const ConvShape& s, const float* images, const float* filters, float* targets, Scales scales) {
    const ForwardFilters left = {s, filters};
    const ForwardWindows<SIDE> right = {s, images, 0, 0};
    const ForwardResult result = {s, targets, scales};
    const int parts = s.local ? s.modules() : 1;
    const ProductShape shape = {s.filtersPerGroup(), s.modules() / parts * s.cases, parts * s.groups};
    wideProduct("convolution", shape, left, right, result);
}

template <int SIDE>
void backward(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    const BackwardFilters left = {s, filters, 0};
    const BackwardWindows<SIDE> right = {s, hidActs, 0};
    const BackwardResult result = {s, targets, scales, 0};
    const int parts = s.local ? s.imgPixels() : 1;
    const ProductShape shape = {s.filterColors, s.imgPixels() / parts * s.cases, parts * s.groups};
    wideProduct("image gradient of a convolution", shape, left, right, result);
}

}  // namespace

void filterActs(const ConvShape& s, const float* images, const float* filters, float* targets, Scales scales) {
    switch (s.filterSize) {
        case 3: return forward<3>(s, images, filters, targets, scales);
        case 5: return forward<5>(s, images, filters, targets, scales);
        case 11: return forward<11>(s, images, filters, targets, scales);
        default: return forward<0>(s, images, filters, targets, scales);
    }
}

void imgActs(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    switch (s.filterSize) {
        case 3: return backward<3>(s, hidActs, filters, targets, scales);
        case 5: return backward<5>(s, hidActs, filters, targets, scales);
        case 11: return backward<11>(s, hidActs, filters, targets, scales);
        default: return backward<0>(s, hidActs, filters, targets, scales);
    }
}

void weightActs(const ConvShape& s, const float* images, const float* hidActs, float* targets, int modulesPerSum,
                Scales scales) {
    if (s.filtersPerGroup() <= 32 && s.filterRows() <= 512) {
        weightProducts<SmallWeightTile>(s, images, hidActs, targets, modulesPerSum, scales);
    } else {
        weightProducts<WeightTile>(s, images, hidActs, targets, modulesPerSum, scales);
    }
}

}  // namespace conv_backend
