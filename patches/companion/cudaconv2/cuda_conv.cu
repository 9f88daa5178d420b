// Convolution and locally connected layers on GPUs: implicit products over the (feature, case) layout (companion-native
// 4.2). Checked against direct float64 loops by tests/conv, the same programs as the CPU flavour's.
//
// forward: rows filters, columns (module, case), depth (tap, colour). images: rows colours, columns (pixel, case), depth
// (tap, filter): every pixel gathers from the modules that saw it, so nothing is written twice. weights: rows filters,
// columns (colour, tap), depth (module, case), in several sums that are added up in order where one would leave most of
// the GPU idle. Locally connected layers are a batch of one product for each module or pixel.
#include "cuda_loaders.cuh"

#include "../nvmatrix/cuda_scratch.h"

namespace conv_backend {

namespace {

// Whether cases and filters come in fours that lie together in all three arrays.
bool comeInFours(const ConvShape& s, const float* a, const float* b, const float* c) {
    return s.cases % 4 == 0 && s.filtersPerGroup() % 4 == 0 && companion::areAligned(a, b, c);
}

// Nothing is divided where there are no cases.
Divisor byCases(const ConvShape& s) { return Divisor(s.cases > 0 ? s.cases : 1); }

// target[sum][e] from its `splits` parts [sum][split][e], in order.
__global__ void kAddSplits(const float* parts, float* target, size_t elements, int sums, int splits, Scales scales) {
    for (int sum = blockIdx.y; sum < sums; sum += gridDim.y)
        CONV_FOR_EACH(e, elements) {
            const float* const part = parts + (size_t)sum * splits * elements + e;
            float total = 0;
            for (int k = 0; k < splits; k++) total += part[k * elements];
            write(target + sum * elements + e, total, scales);
        }
}

void addSplits(const float* parts, float* target, size_t elements, int sums, int splits, Scales scales) {
    dim3 grid = elementGrid(elements);
    grid.y = sums < 32768 ? sums : 32768;
    kAddSplits<<<grid, ELEMENT_THREADS>>>(parts, target, elements, sums, splits, scales);
    getLastCudaError("sum of a convolution's weight gradients");
}

// Blocks that keep a large GPU busy for some rounds, so that the last round, which is not full, weighs little.
const int WANTED_BLOCKS = 1024;
const int LEAST_DEPTH = 512;

// Runs for each sum such that the whole is enough work for a large GPU, if the sums are long enough to be split.
WeightRuns weightRuns(const ConvShape& s, int modulesPerSum) {
    const int sums = s.modules() / modulesPerSum, height = tileRows(s.filtersPerGroup());
    const long tiles = (long)((s.filtersPerGroup() + height - 1) / height) *
                       (((long)s.filterRows() + Tile<32>::columns - 1) / Tile<32>::columns) * s.groups * sums;
    const long depth = (long)modulesPerSum * (s.cases > 0 ? s.cases : 1);
    long splits = (WANTED_BLOCKS + tiles - 1) / tiles;
    if (splits > depth / LEAST_DEPTH) splits = depth / LEAST_DEPTH;
    if (splits > modulesPerSum) splits = modulesPerSum;
    if (splits < 1) splits = 1;
    WeightRuns runs = {modulesPerSum, (int)((modulesPerSum + splits - 1) / splits), 1};
    runs.splits = (modulesPerSum + runs.length - 1) / runs.length;
    return runs;
}

}  // namespace

void filterActs(const ConvShape& s, const float* images, const float* filters, float* targets, Scales scales) {
    const ForwardDepth order = forwardDepth(s);
    const ForwardFilters left = {s, order, filters};
    const ForwardWindows right = {s, order, Divisor(s.filterSize), images, 0, 0};
    const ForwardResult result = {s, targets};
    const int parts = s.local ? s.modules() : 1;
    const ProductShape shape = {s.filtersPerGroup(), s.modules() / parts * s.cases, parts * s.groups};
    product("convolution", comeInFours(s, images, filters, targets), shape, left, right, result, scales);
}

void imgActs(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales) {
    const WindowFinder windows = {Divisor(s.filterSize), Divisor(s.stride)};
    const BackwardFilters left = {s, windows, Divisor(s.filtersPerGroup()), filters, 0, 0};
    const BackwardWindows right = {s, windows, hidActs, 0};
    const BackwardResult result = {s, targets, 0};
    const int parts = s.local ? s.imgPixels() : 1;
    const ProductShape shape = {s.filterColors, s.imgPixels() / parts * s.cases, parts * s.groups};
    product("image gradient of a convolution", comeInFours(s, hidActs, filters, targets), shape, left, right, result, scales);
}

void weightActs(const ConvShape& s, const float* images, const float* hidActs, float* targets, int modulesPerSum,
                Scales scales) {
    const WeightRuns runs = weightRuns(s, modulesPerSum);
    const int sums = s.modules() / modulesPerSum;
    const size_t elements = s.filterRows() * s.filters;
    const Scales plain = {0, 1};
    const bool split = runs.splits > 1;
    float* const parts = split ? (float*)companion::scratch(sums * runs.splits * elements * sizeof(float)) : targets;
    const WeightHidden left = {s, byCases(s), hidActs, runs, 0};
    const WeightWindows right = {s, Divisor(s.modulesX), images, runs, 0, 0};
    const WeightResult result = {s, parts};
    const ProductShape shape = {s.filtersPerGroup(), (int)s.filterRows(), s.groups * sums * runs.splits};
    product("weight gradient of a convolution", comeInFours(s, images, hidActs, parts), shape, left, right, result,
            split ? plain : scales);
    if (split) addSplits(parts, targets, elements, sums, runs.splits, scales);
}

}  // namespace conv_backend
