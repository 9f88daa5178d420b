// What the products of cuda_conv.cu multiply: loaders and results in the sense of cuda_product.cuh, one pair of loaders and a
// result for each of the three convolution functions. Index rules: companion-native 4.2.
//
// A batch index is (part, group), group fastest; `part` is a module or pixel where filters are local, a run of modules in
// the weight gradient.
#ifndef COMPANION_CONV_CUDA_LOADERS_CUH
#define COMPANION_CONV_CUDA_LOADERS_CUH

#include "cuda_product.cuh"

namespace conv_backend {

__device__ inline int colorOf(const ConvShape& s, int group, int c) {
    const int at = group * s.filterColors + c;
    return s.colorIndices ? s.colorIndices[at] : at;
}

// The pixel (y, x) of a colour, or null outside the image.
__device__ inline const float* pixelOf(const ConvShape& s, const float* images, int color, int y, int x, int i) {
    if (y < 0 || y >= s.imgSizeY || x < 0 || x >= s.imgSizeX) return nullptr;
    return images + (size_t)((color * s.imgSizeY + y) * s.imgSizeX + x) * s.cases + i;
}

// -- forward

// Depth of the forward pass: a run for each tap over all colours; where colours are permuted they lie in no order, and each
// tap of each colour is a run of its own.
struct ForwardDepth {
    Divisor runsPerTap;
    Divisor length;

    __device__ int tapRuns() const { return (int)runsPerTap.by(); }
    __device__ int tapOf(int run) const { return (int)runsPerTap(run); }
    __device__ int colorOf(int run, int tap) const { return run - tap * tapRuns(); }
};

inline ForwardDepth forwardDepth(const ConvShape& s) {
    const bool permuted = s.colorIndices != nullptr;
    const ForwardDepth depth = {Divisor(permuted ? s.filterColors : 1), Divisor(permuted ? 1 : s.filterColors)};
    return depth;
}

struct ForwardFilters {
    static const bool ALONG_DEPTH = false;
    typedef int Line;
    ConvShape s;
    ForwardDepth order;
    const float* filters;

    __device__ void select(int batch) {
        const size_t rows = (size_t)(batch / s.groups) * s.filterRows();
        filters += rows * s.filters + batch % s.groups * s.filtersPerGroup();
    }
    __device__ Depth depth() const {
        const Depth all = {s.taps() * order.tapRuns(), order.length};
        return all;
    }
    __device__ Line line(int f) const { return f; }
    __device__ const float* start(Line line, int run) const {
        const int tap = order.tapOf(run);
        return filters + (size_t)(order.colorOf(run, tap) * s.taps() + tap) * s.filters + line;
    }
    __device__ ptrdiff_t step() const { return (ptrdiff_t)s.taps() * s.filters; }
};

struct ForwardWindows {
    static const bool ALONG_DEPTH = false;
    struct Line {
        int y, x, i;
    };
    ConvShape s;
    ForwardDepth order;
    Divisor side;
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
    __device__ const float* start(Line line, int run) const {
        const int tap = order.tapOf(run), ky = side(tap), kx = tap - ky * s.filterSize;
        return pixelOf(s, images, colorOf(s, group, order.colorOf(run, tap)), line.y + ky, line.x + kx, line.i);
    }
    __device__ ptrdiff_t step() const { return (ptrdiff_t)s.imgPixels() * s.cases; }
};

struct ForwardResult {
    static const bool ALONG_ROWS = false;
    ConvShape s;
    float* targets;

    __device__ void select(int batch) {
        const size_t first = (size_t)(batch % s.groups) * s.filtersPerGroup() * s.modules() + batch / s.groups;
        targets += first * s.cases;
    }
    __device__ float* address(int f, int column) const { return targets + (size_t)f * s.modules() * s.cases + column; }
};

// -- gradient of the images

// Where the windows lie that hold a pixel.
struct WindowFinder {
    Divisor side, stride;

    // The module of one axis that sees a pixel `offset` pixels after the first module's own tap, or -1.
    __device__ int axisModule(int offset, int modules) const {
        if (offset < 0) return -1;
        unsigned int rest;
        const int module = stride(offset, rest);
        return rest == 0 && module < modules ? module : -1;
    }
    // The module that sees through `tap` the pixel that lies (y, x) from the first module's first pixel, or -1.
    __device__ int moduleSeeing(const ConvShape& s, int y, int x, int tap) const {
        const int ky = side(tap), kx = tap - ky * s.filterSize;
        const int my = axisModule(y - ky, s.modulesY), mx = axisModule(x - kx, s.modulesX);
        return my < 0 || mx < 0 ? -1 : my * s.modulesX + mx;
    }
};

// Depth: a run for each tap over the filters of a group.
struct BackwardFilters {
    static const bool ALONG_DEPTH = true;
    typedef int Line;
    ConvShape s;
    WindowFinder windows;
    Divisor perGroup;
    const float* filters;
    int y, x;

    __device__ void select(int batch) {
        const int pixel = batch / s.groups;
        y = pixel / s.imgSizeX - s.paddingStart;
        x = pixel % s.imgSizeX - s.paddingStart;
        filters += batch % s.groups * s.filtersPerGroup();
    }
    __device__ Depth depth() const {
        const Depth all = {s.taps(), perGroup};
        return all;
    }
    __device__ Line line(int c) const { return c * s.taps(); }
    __device__ const float* start(Line line, int tap) const {
        size_t row = line + tap;
        if (s.local) {
            const int module = windows.moduleSeeing(s, y, x, tap);
            if (module < 0) return nullptr;
            row += (size_t)module * s.filterRows();
        }
        return filters + row * s.filters;
    }
    __device__ ptrdiff_t step() const { return 1; }
};

struct BackwardWindows {
    static const bool ALONG_DEPTH = false;
    struct Line {
        int y, x, i;
    };
    ConvShape s;
    WindowFinder windows;
    const float* hidActs;
    int pixel;

    __device__ void select(int batch) {
        pixel = batch / s.groups;
        hidActs += (size_t)(batch % s.groups) * s.filtersPerGroup() * s.modules() * s.cases;
    }
    __device__ Line line(int column) const {
        const int own = s.local ? pixel : column / s.cases;
        const Line line = {own / s.imgSizeX - s.paddingStart, own % s.imgSizeX - s.paddingStart, column % s.cases};
        return line;
    }
    __device__ const float* start(Line line, int tap) const {
        const int module = windows.moduleSeeing(s, line.y, line.x, tap);
        return module < 0 ? nullptr : hidActs + (size_t)module * s.cases + line.i;
    }
    __device__ ptrdiff_t step() const { return (ptrdiff_t)s.modules() * s.cases; }
};

struct BackwardResult {
    static const bool ALONG_ROWS = false;
    ConvShape s;
    float* targets;
    int group;

    __device__ void select(int batch) {
        group = batch % s.groups;
        const int sample = group / s.groupsPerSample();
        targets += ((size_t)sample * s.colors * s.imgPixels() + batch / s.groups) * s.cases;
    }
    __device__ float* address(int c, int column) const {
        return targets + (size_t)colorOf(s, group, c) * s.imgPixels() * s.cases + column;
    }
};

// -- gradient of the weights

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

// Depth: a run for each module over the cases.
struct WeightHidden {
    static const bool ALONG_DEPTH = true;
    typedef const float* Line;
    ConvShape s;
    Divisor cases;
    const float* hidActs;
    WeightRuns runs;
    int count;

    __device__ void select(int batch) {
        const size_t row = (size_t)(batch % s.groups) * s.filtersPerGroup() * s.modules() + runs.first(batch / s.groups);
        hidActs += row * s.cases;
        count = s.cases > 0 ? runs.count(batch / s.groups) : 0;
    }
    __device__ Depth depth() const {
        const Depth all = {count, cases};
        return all;
    }
    __device__ Line line(int f) const { return hidActs + (size_t)f * s.modules() * s.cases; }
    __device__ const float* start(Line line, int run) const { return line + (size_t)run * s.cases; }
    __device__ ptrdiff_t step() const { return 1; }
};

struct WeightWindows {
    static const bool ALONG_DEPTH = true;
    struct Line {
        int color, ky, kx;
    };
    ConvShape s;
    Divisor modulesX;
    const float* images;
    WeightRuns runs;
    int group, first;

    __device__ void select(int batch) {
        group = batch % s.groups;
        first = runs.first(batch / s.groups);
    }
    __device__ Line line(int column) const {
        const int tap = column % s.taps();
        const Line line = {colorOf(s, group, column / s.taps()), tap / s.filterSize, tap % s.filterSize};
        return line;
    }
    __device__ const float* start(Line line, int run) const {
        const int m = first + run, my = modulesX(m), mx = m - my * s.modulesX;
        return pixelOf(s, images, line.color, s.paddingStart + my * s.stride + line.ky,
                       s.paddingStart + mx * s.stride + line.kx, 0);
    }
    __device__ ptrdiff_t step() const { return 1; }
};

struct WeightResult {
    static const bool ALONG_ROWS = true;
    ConvShape s;
    float* targets;

    __device__ void select(int batch) {
        targets += (size_t)(batch / s.groups) * s.filterRows() * s.filters + batch % s.groups * s.filtersPerGroup();
    }
    __device__ float* address(int f, int column) const { return targets + (size_t)column * s.filters + f; }
};

}  // namespace conv_backend

#endif
