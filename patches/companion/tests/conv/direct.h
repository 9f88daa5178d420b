// The convolutions of section 4.2 as plain float64 loops over their index formulas, independent of the library.
#ifndef COMPANION_TESTS_CONV_DIRECT_H
#define COMPANION_TESTS_CONV_DIRECT_H

#include <cudaconv2.cuh>

#include <vector>

#include "operands.h"

namespace check {

struct Layer {
    const char* name;
    int cases, imgY, imgX, colors, filters, side, modulesY, modulesX, start, stride, groups;
    int filterColors;            // 0: dense
    std::vector<int> connections;
    bool local;

    int filterColorsOrDense() const { return filterColors ? filterColors : colors / groups; }
    int modules() const { return modulesY * modulesX; }
    int samples() const { return filterColors ? groups * filterColors / colors : 1; }
    int weightRows() const { return filterColorsOrDense() * side * side; }
    int color(int f, int c) const {
        const int at = f / (filters / groups) * filterColorsOrDense() + c;
        return filterColors ? connections[at] : at;
    }
    Dense images(unsigned seed) const { return random(colors * imgY * imgX, cases, seed); }
    Dense hidden(unsigned seed) const { return random(filters * modules(), cases, seed); }
    Dense weights(unsigned seed) const { return random((local ? modules() : 1) * weightRows(), filters, seed); }
};

// Calls visit(f, module, weight row within a module, image row within one sample, sample) for every pixel inside.
template <class Visit>
void visitWindows(const Layer& l, const Visit& visit) {
    for (int f = 0; f < l.filters; f++)
        for (int my = 0; my < l.modulesY; my++)
            for (int mx = 0; mx < l.modulesX; mx++)
                for (int c = 0; c < l.filterColorsOrDense(); c++)
                    for (int ky = 0; ky < l.side; ky++)
                        for (int kx = 0; kx < l.side; kx++) {
                            const int y = l.start + my * l.stride + ky, x = l.start + mx * l.stride + kx;
                            if (y < 0 || y >= l.imgY || x < 0 || x >= l.imgX) continue;
                            const int group = f / (l.filters / l.groups);
                            visit(f, my * l.modulesX + mx, (c * l.side + ky) * l.side + kx,
                                  (l.color(f, c) * l.imgY + y) * l.imgX + x, group / (l.groups / l.samples()));
                        }
}

inline Dense directFilterActs(const Layer& l, const Dense& images, const Dense& weights) {
    Dense out(l.filters * l.modules(), l.cases);
    visitWindows(l, [&](int f, int m, int w, int pixel, int) {
        const double weight = weights((l.local ? m * l.weightRows() : 0) + w, f);
        for (int n = 0; n < l.cases; n++) out(f * l.modules() + m, n) += images(pixel, n) * weight;
    });
    return out;
}

inline Dense directImgActs(const Layer& l, const Dense& hidden, const Dense& weights) {
    Dense out(l.samples() * l.colors * l.imgY * l.imgX, l.cases);
    visitWindows(l, [&](int f, int m, int w, int pixel, int sample) {
        const double weight = weights((l.local ? m * l.weightRows() : 0) + w, f);
        for (int n = 0; n < l.cases; n++)
            out(sample * l.colors * l.imgY * l.imgX + pixel, n) += hidden(f * l.modules() + m, n) * weight;
    });
    return out;
}

inline Dense directWeightActs(const Layer& l, const Dense& images, const Dense& hidden, int modulesPerSum) {
    Dense out(l.modules() / modulesPerSum * l.weightRows(), l.filters);
    visitWindows(l, [&](int f, int m, int w, int pixel, int) {
        double sum = 0;
        for (int n = 0; n < l.cases; n++) sum += images(pixel, n) * hidden(f * l.modules() + m, n);
        out(m / modulesPerSum * l.weightRows() + w, f) += sum;
    });
    return out;
}

// The colour list in device memory.
class Connections {
public:
    explicit Connections(const Layer& l) : _device(nullptr) {
        const size_t bytes = l.connections.size() * sizeof(int);
        if (bytes == 0) return;
        checkCudaErrors(cudaMalloc(&_device, bytes));
        checkCudaErrors(cudaMemcpy(_device, l.connections.data(), bytes, cudaMemcpyHostToDevice));
    }
    ~Connections() { checkCudaErrors(cudaFree(_device)); }
    operator int*() const { return _device; }

private:
    int* _device;
};

inline void libraryFilterActs(const Layer& l, NVMatrix& images, NVMatrix& weights, NVMatrix& target, float sT, float sO) {
    Connections list(l);
    if (l.filterColors) {
        (l.local ? localFilterActsSparse : convFilterActsSparse)(images, weights, target, list, l.imgY, l.modulesY,
                                                                 l.modulesX, l.start, l.stride, l.colors,
                                                                 l.filterColors, l.groups, sT, sO);
    } else {
        (l.local ? localFilterActs : convFilterActs)(images, weights, target, l.imgY, l.modulesY, l.modulesX, l.start,
                                                     l.stride, l.colors, l.groups, sT, sO);
    }
}

inline void libraryImgActs(const Layer& l, NVMatrix& hidden, NVMatrix& weights, NVMatrix& target, float sT, float sO) {
    Connections list(l);
    if (l.filterColors) {
        (l.local ? localImgActsSparse : convImgActsSparse)(hidden, weights, target, list, l.imgY, l.imgX, l.modulesY,
                                                           l.start, l.stride, l.colors, l.filterColors, l.groups, sT,
                                                           sO);
    } else {
        (l.local ? localImgActs : convImgActs)(hidden, weights, target, l.imgY, l.imgX, l.modulesY, l.start, l.stride,
                                               l.colors, l.groups, sT, sO);
    }
}

inline void libraryWeightActs(const Layer& l, NVMatrix& images, NVMatrix& hidden, NVMatrix& target, int partialSum,
                              float sT, float sO) {
    Connections list(l);
    if (l.local && l.filterColors) {
        localWeightActsSparse(images, hidden, target, list, l.imgY, l.modulesY, l.modulesX, l.side, l.start, l.stride,
                              l.colors, l.filterColors, l.groups, sT, sO);
    } else if (l.local) {
        localWeightActs(images, hidden, target, l.imgY, l.modulesY, l.modulesX, l.side, l.start, l.stride, l.colors,
                        l.groups, sT, sO);
    } else if (l.filterColors) {
        convWeightActsSparse(images, hidden, target, list, l.imgY, l.modulesY, l.modulesX, l.side, l.start, l.stride,
                             l.colors, l.filterColors, l.groups, partialSum, sT, sO);
    } else {
        convWeightActs(images, hidden, target, l.imgY, l.modulesY, l.modulesX, l.side, l.start, l.stride, l.colors,
                       l.groups, partialSum, sT, sO);
    }
}

}  // namespace check

#endif
