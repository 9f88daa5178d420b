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

// For each pixel of one map and one block of cases: values(pixel, out) fills what is summed, done(pixel, sum) receives
// the sum over the pixel's window. `window(centre)` is the clipped window on one axis.
template <class Values, class Window, class Done>
void windowSums(int imgSize, int count, const Values& values, const Window& window, const Done& done) {
    float* rows = scratch((size_t)imgSize * (imgSize + 1) * count);
    float* line = rows + (size_t)imgSize * imgSize * count;
    for (int y = 0; y < imgSize; y++) {
        for (int x = 0; x < imgSize; x++) values(y * imgSize + x, line + (size_t)x * count);
        for (int x = 0; x < imgSize; x++) {
            float* sum = rows + ((size_t)y * imgSize + x) * count;
            std::fill(sum, sum + count, 0.0f);
            const Range xs = window(x);
            for (int i = xs.first; i < xs.last; i++) addTo(sum, line + (size_t)i * count, count);
        }
    }
    float sum[CASE_BLOCK];
    for (int y = 0; y < imgSize; y++) {
        const Range ys = window(y);
        for (int x = 0; x < imgSize; x++) {
            std::fill(sum, sum + count, 0.0f);
            for (int i = ys.first; i < ys.last; i++) addTo(sum, rows + ((size_t)i * imgSize + x) * count, count);
            done(y * imgSize + x, sum);
        }
    }
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

}  // namespace

void normSameMap(const NormShape& s, const float* numerators, const float* squares, float* denoms, float* target,
                 float addScale, float powScale) {
    const size_t n = s.cases, pixels = s.pixels;
    forCaseBlocks(s.channels, s.cases, CASE_BLOCK, [&](int channel, int first, int count) {
        const size_t base = channel * pixels * n + first;
        windowSums(
            s.imgSize, count,
            [&](int pixel, float* out) {
                const float* x = squares + base + pixel * n;
                for (int i = 0; i < count; i++) out[i] = x[i] * x[i];
            },
            [&](int centre) { return s.forward(centre, s.imgSize); },
            [&](int pixel, const float* sum) {
                const size_t at = base + pixel * n;
                writeNorm(sum, numerators + at, 1, addScale, powScale, count, denoms + at, target + at);
            });
    });
}

void normSameMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                     const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const size_t n = s.cases, pixels = s.pixels;
    const float factor = -2 * addScale * powScale;
    forCaseBlocks(s.channels, s.cases, CASE_BLOCK, [&](int channel, int first, int count) {
        const size_t base = channel * pixels * n + first;
        windowSums(
            s.imgSize, count,
            [&](int pixel, float* out) {
                const size_t at = base + pixel * n;
                innerGradient(grads + at, acts + at, denoms + at, factor, count, out);
            },
            [&](int centre) { return s.transposed(centre, s.imgSize); },
            [&](int pixel, const float* sum) {
                const size_t at = base + pixel * n;
                writeUndo(inputs + at, sum, grads + at, denoms + at, powScale, count, target + at, scales);
            });
    });
}

void normCrossMap(const NormShape& s, const float* images, float* denoms, float* target, float addScale,
                  float powScale, float minDiv) {
    const int pixels = s.pixels;
    forCaseBlocks(pixels, s.cases, CASE_BLOCK, [&](int pixel, int first, int count) {
        const size_t base = (size_t)pixel * s.cases + first, step = (size_t)pixels * s.cases;
        float* squares = scratch((size_t)s.channels * count);
        for (int f = 0; f < s.channels; f++) {
            const float* x = images + base + f * step;
            for (int i = 0; i < count; i++) squares[(size_t)f * count + i] = x[i] * x[i];
        }
        float sum[CASE_BLOCK];
        for (int f = 0; f < s.channels; f++) {
            const Range maps = s.forward(f, s.channels);
            std::fill(sum, sum + count, 0.0f);
            for (int k = maps.first; k < maps.last; k++) addTo(sum, squares + (size_t)k * count, count);
            const size_t at = base + f * step;
            writeNorm(sum, images + at, minDiv, addScale, powScale, count, denoms + at, target + at);
        }
    });
}

void normCrossMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                      const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const int pixels = s.pixels;
    const float factor = -2 * addScale * powScale;
    forCaseBlocks(pixels, s.cases, CASE_BLOCK, [&](int pixel, int first, int count) {
        const size_t base = (size_t)pixel * s.cases + first, step = (size_t)pixels * s.cases;
        float* inner = scratch((size_t)s.channels * count);
        for (int f = 0; f < s.channels; f++) {
            const size_t at = base + f * step;
            innerGradient(grads + at, acts + at, denoms + at, factor, count, inner + (size_t)f * count);
        }
        float sum[CASE_BLOCK];
        for (int f = 0; f < s.channels; f++) {
            const Range maps = s.transposed(f, s.channels);
            std::fill(sum, sum + count, 0.0f);
            for (int k = maps.first; k < maps.last; k++) addTo(sum, inner + (size_t)k * count, count);
            const size_t at = base + f * step;
            writeUndo(inputs + at, sum, grads + at, denoms + at, powScale, count, target + at, scales);
        }
    });
}

void tica(const NormShape& s, const float* images, float* target, Scales scales) {
    const size_t n = s.cases, pixels = s.pixels;
    forCaseBlocks(s.channels, s.cases, CASE_BLOCK, [&](int channel, int first, int count) {
        const size_t base = channel * pixels * n + first;
        windowSums(
            s.imgSize, count,
            [&](int pixel, float* out) {
                const float* x = images + base + pixel * n;
                for (int i = 0; i < count; i++) out[i] = x[i] * x[i];
            },
            [&](int centre) { return s.forward(centre, s.imgSize); },
            [&](int pixel, const float* sum) {
                // The constant is a double literal in 2012, so the sum and quotient are double too.
                float result[CASE_BLOCK];
                for (int i = 0; i < count; i++) result[i] = (float)(1.0 / (0.001 + std::sqrt(sum[i])));
                writeRow(target + base + pixel * n, result, count, scales);
            });
    });
}

void ticaGrad(const NormShape& s, const float* images, const float* ticas, float* target, Scales scales) {
    const size_t n = s.cases, pixels = s.pixels;
    forCaseBlocks(s.channels, s.cases, CASE_BLOCK, [&](int channel, int first, int count) {
        const size_t base = channel * pixels * n + first;
        windowSums(
            s.imgSize, count,
            [&](int pixel, float* out) {
                const float* t = ticas + base + pixel * n;
                std::copy(t, t + count, out);
            },
            [&](int centre) { return s.forward(centre, s.imgSize); },
            [&](int pixel, const float* sum) {
                const size_t at = base + pixel * n;
                float result[CASE_BLOCK];
                for (int i = 0; i < count; i++) result[i] = -images[at + i] * sum[i];
                writeRow(target + at, result, count, scales);
            });
    });
}

}  // namespace conv_backend
