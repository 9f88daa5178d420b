// Response and contrast normalisation and TICA on the CPU.
//
// Sums within a map are separable (rows, then columns); sums across maps are direct. No running differences are used,
// so nothing cancels. Checked against direct float64 loops by tests/conv. Formulas: companion-native sections 4.5, 4.6.
#include "backend.h"
#include "cpu_support.h"

#include <algorithm>
#include <cmath>

namespace conv_backend {

namespace {

const int CASE_BLOCK = 32;

// out[i] = d[i]^(-power). The usual powers need only square roots, which vectorise.
void negativePower(const float* d, float power, int count, float* out) {
    if (power == 0.75f) {
        for (int i = 0; i < count; i++) {
            const float root = std::sqrt(d[i]);
            out[i] = 1.0f / (root * std::sqrt(root));
        }
    } else if (power == 0.5f) {
        for (int i = 0; i < count; i++) out[i] = 1.0f / std::sqrt(d[i]);
    } else if (power == 1.0f) {
        for (int i = 0; i < count; i++) out[i] = 1.0f / d[i];
    } else {
        for (int i = 0; i < count; i++) out[i] = std::pow(d[i], -power);
    }
}

void addTo(float* sum, const float* values, int count) {
    for (int i = 0; i < count; i++) sum[i] += values[i];
}

void squares(const float* x, int count, float* out) {
    for (int i = 0; i < count; i++) out[i] = x[i] * x[i];
}

// The share of the gradient that reaches other inputs of a window: -2 * addScale * powScale * grads * acts / denoms.
void innerGradient(const float* grads, const float* acts, const float* denoms, float factor, int count, float* out) {
    for (int i = 0; i < count; i++) out[i] = factor * (grads[i] * acts[i] / denoms[i]);
}

void writeUndo(const float* inputs, const float* sum, const float* grads, const float* denoms, float powScale,
               int count, float* target, Scales scales) {
    float result[CASE_BLOCK];
    negativePower(denoms, powScale, count, result);
    for (int i = 0; i < count; i++) result[i] = inputs[i] * sum[i] + grads[i] * result[i];
    writeRow(target, result, count, scales);
}

void writeNorm(const float* sum, const float* numerators, float base, float addScale, float powScale, int count,
               float* denoms, float* target) {
    float power[CASE_BLOCK];
    for (int i = 0; i < count; i++) denoms[i] = base + addScale * sum[i];
    negativePower(denoms, powScale, count, power);
    for (int i = 0; i < count; i++) target[i] = numerators[i] * power[i];
}

// What is summed over the windows, and what happens to a sum. `at` is the first of `count` cases of one pixel of one map.

struct Divide {
    const float* squared;
    const float* numerators;
    float* denoms;
    float* target;
    float base, addScale, powScale;

    void values(size_t at, int count, float* out) const { squares(squared + at, count, out); }
    void end(size_t at, int count, const float* sum) const {
        writeNorm(sum, numerators + at, base, addScale, powScale, count, denoms + at, target + at);
    }
};

struct DivideUndo {
    const float* grads;
    const float* denoms;
    const float* inputs;
    const float* acts;
    float* target;
    float addScale, powScale;
    Scales scales;

    void values(size_t at, int count, float* out) const {
        innerGradient(grads + at, acts + at, denoms + at, -2 * addScale * powScale, count, out);
    }
    void end(size_t at, int count, const float* sum) const {
        writeUndo(inputs + at, sum, grads + at, denoms + at, powScale, count, target + at, scales);
    }
};

struct Tica {
    const float* images;
    float* target;
    Scales scales;

    void values(size_t at, int count, float* out) const { squares(images + at, count, out); }
    void end(size_t at, int count, const float* sum) const {
        // The constant is a double literal in 2012, so the sum and quotient are double too.
        float result[CASE_BLOCK];
        for (int i = 0; i < count; i++) result[i] = (float)(1.0 / (0.001 + std::sqrt(sum[i])));
        writeRow(target + at, result, count, scales);
    }
};

struct TicaGrad {
    const float* images;
    const float* ticas;
    float* target;
    Scales scales;

    void values(size_t at, int count, float* out) const { std::copy(ticas + at, ticas + at + count, out); }
    void end(size_t at, int count, const float* sum) const {
        float result[CASE_BLOCK];
        for (int i = 0; i < count; i++) result[i] = -images[at + i] * sum[i];
        writeRow(target + at, result, count, scales);
    }
};

// The clipped window of a centre on an axis, by NormShape: of an output's inputs, or of an input's outputs.
typedef Range (NormShape::*Window)(int centre, int limit) const;
const Window FORWARD = &NormShape::forward, BACKWARD = &NormShape::transposed;

// Windows over the pixels of each map: rows first, then columns.
template <class Work>
void sumsWithinMaps(const NormShape& s, Window window, const Work& work) {
    const int side = s.imgSize;
    forCaseBlocks(s.channels, s.cases, CASE_BLOCK, [&](int channel, int first, int count) {
        const auto at = [&](int pixel) { return ((size_t)channel * s.pixels + pixel) * s.cases + first; };
        float* rows = scratch((size_t)side * (side + 1) * count);
        float* line = rows + (size_t)side * side * count;
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) work.values(at(y * side + x), count, line + (size_t)x * count);
            for (int x = 0; x < side; x++) {
                float* sum = rows + ((size_t)y * side + x) * count;
                std::fill(sum, sum + count, 0.0f);
                const Range xs = (s.*window)(x, side);
                for (int i = xs.first; i < xs.last; i++) addTo(sum, line + (size_t)i * count, count);
            }
        }
        float sum[CASE_BLOCK];
        for (int y = 0; y < side; y++) {
            const Range ys = (s.*window)(y, side);
            for (int x = 0; x < side; x++) {
                std::fill(sum, sum + count, 0.0f);
                for (int i = ys.first; i < ys.last; i++) addTo(sum, rows + ((size_t)i * side + x) * count, count);
                work.end(at(y * side + x), count, sum);
            }
        }
    });
}

// Windows over the maps at each pixel.
template <class Work>
void sumsAcrossMaps(const NormShape& s, Window window, const Work& work) {
    forCaseBlocks(s.pixels, s.cases, CASE_BLOCK, [&](int pixel, int first, int count) {
        const auto at = [&](int map) { return ((size_t)map * s.pixels + pixel) * s.cases + first; };
        float* values = scratch((size_t)s.channels * count);
        for (int f = 0; f < s.channels; f++) work.values(at(f), count, values + (size_t)f * count);
        float sum[CASE_BLOCK];
        for (int f = 0; f < s.channels; f++) {
            const Range maps = (s.*window)(f, s.channels);
            std::fill(sum, sum + count, 0.0f);
            for (int k = maps.first; k < maps.last; k++) addTo(sum, values + (size_t)k * count, count);
            work.end(at(f), count, sum);
        }
    });
}

}  // namespace

void normSameMap(const NormShape& s, const float* numerators, const float* squares, float* denoms, float* target,
                 float addScale, float powScale) {
    const Divide work = {squares, numerators, denoms, target, 1, addScale, powScale};
    sumsWithinMaps(s, FORWARD, work);
}

void normSameMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                     const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const DivideUndo work = {grads, denoms, inputs, acts, target, addScale, powScale, scales};
    sumsWithinMaps(s, BACKWARD, work);
}

void normCrossMap(const NormShape& s, const float* images, float* denoms, float* target, float addScale,
                  float powScale, float minDiv) {
    const Divide work = {images, images, denoms, target, minDiv, addScale, powScale};
    sumsAcrossMaps(s, FORWARD, work);
}

void normCrossMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                      const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const DivideUndo work = {grads, denoms, inputs, acts, target, addScale, powScale, scales};
    sumsAcrossMaps(s, BACKWARD, work);
}

void tica(const NormShape& s, const float* images, float* target, Scales scales) {
    const Tica work = {images, target, scales};
    sumsWithinMaps(s, FORWARD, work);
}

void ticaGrad(const NormShape& s, const float* images, const float* ticas, float* target, Scales scales) {
    const TicaGrad work = {images, ticas, target, scales};
    sumsWithinMaps(s, FORWARD, work);
}

}  // namespace conv_backend
