// Response and contrast normalisation and TICA on GPUs: one thread for each element, direct sums over its window.
//
// Checked by tests/conv. Formulas: companion-native sections 4.5, 4.6.
#include "cuda_launch.h"
#include "formulas.h"

namespace conv_backend {

namespace {

// What a window sums, at one element.
struct Squares {
    const float* x;
    __device__ float operator()(size_t at) const { return x[at] * x[at]; }
};

struct Values {
    const float* x;
    __device__ float operator()(size_t at) const { return x[at]; }
};

// The share of the gradient that reaches other inputs of a window.
struct InnerGradient {
    const float* grads;
    const float* acts;
    const float* denoms;
    float factor;
    __device__ float operator()(size_t at) const { return factor * (grads[at] * acts[at] / denoms[at]); }
};

// Windows: the sum of `values` over the window of element `at`, forward or transposed.
struct WithinMap {
    NormShape s;
    bool isTransposed;

    template <class V>
    __device__ float sum(V values, size_t at) const {
        const int pixel = (int)(at / s.cases), x = pixel % s.imgSize, y = pixel / s.imgSize % s.imgSize;
        const Range ys = isTransposed ? s.transposed(y, s.imgSize) : s.forward(y, s.imgSize);
        const Range xs = isTransposed ? s.transposed(x, s.imgSize) : s.forward(x, s.imgSize);
        float sum = 0;
        for (int wy = ys.first; wy < ys.last; wy++)
            for (int wx = xs.first; wx < xs.last; wx++)
                sum += values(at + ((ptrdiff_t)(wy - y) * s.imgSize + (wx - x)) * s.cases);
        return sum;
    }
};

struct AcrossMaps {
    NormShape s;
    bool isTransposed;

    template <class V>
    __device__ float sum(V values, size_t at) const {
        const size_t step = (size_t)s.pixels * s.cases;
        const int map = (int)(at / step);
        const Range maps = isTransposed ? s.transposed(map, s.channels) : s.forward(map, s.channels);
        float sum = 0;
        for (int f = maps.first; f < maps.last; f++) sum += values(at % step + f * step);
        return sum;
    }
};

template <class Window>
__global__ void kNorm(Window window, Squares squares, const float* numerators, float* denoms, float* target, size_t count,
                      float base, float addScale, float powScale) {
    CONV_FOR_EACH(at, count) {
        const float denom = base + addScale * window.sum(squares, at);
        denoms[at] = denom;
        target[at] = numerators[at] * negativePower(denom, powScale);
    }
}

template <class Window>
__global__ void kNormUndo(Window window, InnerGradient inner, const float* inputs, float* target, size_t count,
                          float powScale, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const float sum = window.sum(inner, at);
        write(target + at, inputs[at] * sum + inner.grads[at] * negativePower(inner.denoms[at], powScale), scales);
    }
}

__global__ void kTica(WithinMap window, Squares squares, float* target, size_t count, Scales scales) {
    // The constant is a double literal in 2012, so the sum and quotient are double too.
    CONV_FOR_EACH(at, count) { write(target + at, (float)(1.0 / (0.001 + sqrtf(window.sum(squares, at)))), scales); }
}

__global__ void kTicaGrad(WithinMap window, Values ticas, const float* images, float* target, size_t count,
                          Scales scales) {
    CONV_FOR_EACH(at, count) { write(target + at, -images[at] * window.sum(ticas, at), scales); }
}

size_t elementCount(const NormShape& s) { return (size_t)s.channels * s.pixels * s.cases; }

template <class Window>
void norm(Window window, const float* numerators, const float* squares, float* denoms, float* target, float base,
          float addScale, float powScale) {
    const size_t count = elementCount(window.s);
    if (count == 0) return;
    const Squares values = {squares};
    kNorm<Window><<<elementGrid(count), ELEMENT_THREADS>>>(window, values, numerators, denoms, target, count, base,
                                                           addScale, powScale);
    getLastCudaError("normalisation");
}

template <class Window>
void normUndo(Window window, const float* grads, const float* denoms, const float* inputs, const float* acts,
              float* target, float addScale, float powScale, Scales scales) {
    const size_t count = elementCount(window.s);
    if (count == 0) return;
    const InnerGradient inner = {grads, acts, denoms, -2 * addScale * powScale};
    kNormUndo<Window><<<elementGrid(count), ELEMENT_THREADS>>>(window, inner, inputs, target, count, powScale, scales);
    getLastCudaError("gradient of a normalisation");
}

}  // namespace

void normSameMap(const NormShape& s, const float* numerators, const float* squares, float* denoms, float* target,
                 float addScale, float powScale) {
    const WithinMap window = {s, false};
    norm(window, numerators, squares, denoms, target, 1, addScale, powScale);
}

void normSameMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                     const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const WithinMap window = {s, true};
    normUndo(window, grads, denoms, inputs, acts, target, addScale, powScale, scales);
}

void normCrossMap(const NormShape& s, const float* images, float* denoms, float* target, float addScale,
                  float powScale, float minDiv) {
    const AcrossMaps window = {s, false};
    norm(window, images, images, denoms, target, minDiv, addScale, powScale);
}

void normCrossMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                      const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const AcrossMaps window = {s, true};
    normUndo(window, grads, denoms, inputs, acts, target, addScale, powScale, scales);
}

void tica(const NormShape& s, const float* images, float* target, Scales scales) {
    const size_t count = elementCount(s);
    if (count == 0) return;
    const WithinMap window = {s, false};
    const Squares values = {images};
    kTica<<<elementGrid(count), ELEMENT_THREADS>>>(window, values, target, count, scales);
    getLastCudaError("TICA");
}

void ticaGrad(const NormShape& s, const float* images, const float* ticas, float* target, Scales scales) {
    const size_t count = elementCount(s);
    if (count == 0) return;
    const WithinMap window = {s, false};
    const Values values = {ticas};
    kTicaGrad<<<elementGrid(count), ELEMENT_THREADS>>>(window, values, images, target, count, scales);
    getLastCudaError("gradient of TICA");
}

}  // namespace conv_backend
