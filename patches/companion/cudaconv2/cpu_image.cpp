// Image functions on the CPU: crop, resize, reflection, bed of nails, blur, colour spaces, and the norm of local filters.
//
// Checked against direct float64 loops by tests/conv. Formulas: companion-native section 4.6.
#include "backend.h"
#include "cpu_support.h"
#include "formulas.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace conv_backend {

namespace {

const int CASE_BLOCK = 256;

}  // namespace

void crop(int channels, int imgSize, int tgtSize, int startY, int startX, int cases, const float* images, float* target) {
    const size_t n = cases;
    parallelFor(channels * tgtSize, [&](int line) {
        const size_t channel = line / tgtSize, y = line % tgtSize + startY;
        copyRow(target + (size_t)line * tgtSize * n, images + ((channel * imgSize + y) * imgSize + startX) * n,
                tgtSize * n);
    });
}

void resizeBilinear(int channels, int imgSize, int tgtSize, float scale, int cases, const float* images,
                    float* target) {
    const size_t n = cases;
    std::vector<BilinearTap> taps(tgtSize);
    for (int t = 0; t < tgtSize; t++) taps[t] = bilinearTap(t, imgSize, tgtSize, scale);
    parallelFor(channels * tgtSize, [&](int line) {
        const float* image = images + (size_t)(line / tgtSize) * imgSize * imgSize * n;
        const BilinearTap ty = taps[line % tgtSize];
        for (int x = 0; x < tgtSize; x++) {
            const BilinearTap tx = taps[x];
            const float* v00 = image + ((size_t)ty.low * imgSize + tx.low) * n;
            const float* v10 = v00 + (size_t)imgSize * n;
            float* out = target + ((size_t)line * tgtSize + x) * n;
            for (size_t i = 0; i < n; i++) out[i] = bilinearValue(v00[i], v00[n + i], v10[i], v10[n + i], tx, ty);
        }
    });
}

void reflectHorizontal(int channels, int imgSize, int cases, const float* images, float* target) {
    const size_t n = cases;
    parallelFor(channels * imgSize, [&](int line) {
        const size_t start = (size_t)line * imgSize;
        for (int x = 0; x < imgSize; x++)
            copyRow(target + (start + imgSize - 1 - x) * n, images + (start + x) * n, n);
    });
}

void bedOfNails(const PoolShape& s, const float* images, float* target, Scales scales) {
    const size_t n = s.cases;
    parallelFor(s.channels * s.outputs, [&](int line) {
        const size_t y = (size_t)line / s.outputs * s.imgSize + s.start + line % s.outputs * s.stride;
        for (int ox = 0; ox < s.outputs; ox++)
            writeRow(target + ((size_t)line * s.outputs + ox) * n,
                     images + (y * s.imgSize + s.start + ox * s.stride) * n, n, scales);
    });
}

void bedOfNailsUndo(const PoolShape& s, const float* grads, float* target, Scales scales) {
    const size_t n = s.cases;
    parallelFor(s.channels * s.imgSize, [&](int line) {
        float* row = target + (size_t)line * s.imgSize * n;
        scaleRow(row, s.imgSize * n, scales.target);
        const Scales add = {1, scales.output};
        const int offset = line % s.imgSize - s.start;
        if (offset < 0 || offset % s.stride != 0 || offset / s.stride >= s.outputs) return;
        const size_t output = ((size_t)line / s.imgSize * s.outputs + offset / s.stride) * s.outputs;
        for (int ox = 0; ox < s.outputs; ox++)
            writeRow(row + (s.start + (size_t)ox * s.stride) * n, grads + (output + ox) * n, n, add);
    });
}

void gaussianBlur(int channels, int imgSize, int cases, const float* images, const float* filter, int radius,
                  bool horizontal, float* target, Scales scales) {
    const size_t n = cases, step = horizontal ? n : imgSize * n;
    // One line of pixels at a time, copied first: the target may be the image.
    forCaseBlocks(channels * imgSize, cases, CASE_BLOCK, [&](int index, int first, int count) {
        const size_t channel = index / imgSize, line = index % imgSize;
        const size_t start = channel * imgSize * imgSize * n + line * (horizontal ? imgSize * n : n) + first;
        float* copy = scratch((size_t)imgSize * count);
        for (int p = 0; p < imgSize; p++)
            copyRow(copy + (size_t)p * count, images + start + p * step, count);
        float sum[CASE_BLOCK];
        for (int p = 0; p < imgSize; p++) {
            std::fill(sum, sum + count, 0.0f);
            for (int q = std::max(0, p - radius); q <= std::min(imgSize - 1, p + radius); q++) {
                const float weight = filter[q - p + radius];
                const float* source = copy + (size_t)q * count;
                for (int i = 0; i < count; i++) sum[i] += weight * source[i];
            }
            writeRow(target + start + p * step, sum, count, scales);
        }
    });
}

void rgbToYuv(int pixels, int cases, const float* images, float* target) {
    const size_t n = cases, plane = (size_t)pixels * n;
    parallelFor(pixels, [&](int pixel) {
        for (size_t i = pixel * n; i < (pixel + 1) * n; i++)
            yuvOf(images[i], images[plane + i], images[2 * plane + i], target[i], target[plane + i],
                  target[2 * plane + i]);
    });
}

void rgbToLab(int pixels, int cases, const float* images, float* target, bool center) {
    const size_t n = cases, plane = (size_t)pixels * n;
    parallelFor(pixels, [&](int pixel) {
        for (size_t i = pixel * n; i < (pixel + 1) * n; i++)
            labOf(images[i], images[plane + i], images[2 * plane + i], center, target[i], target[plane + i],
                  target[2 * plane + i]);
    });
}

void limitLocalWeights(int modules, int rowsPerModule, int filters, float* weights, float norm) {
    parallelFor(modules, [&](int module) {
        float* block = weights + (size_t)module * rowsPerModule * filters;
        std::vector<double> squares(filters, 0.0);
        for (int r = 0; r < rowsPerModule; r++)
            for (int f = 0; f < filters; f++) {
                const double w = block[(size_t)r * filters + f];
                squares[f] += w * w;
            }
        std::vector<float> factors(filters, 1.0f);
        for (int f = 0; f < filters; f++)
            if (std::sqrt(squares[f]) > norm) factors[f] = (float)(norm / std::sqrt(squares[f]));
        for (int r = 0; r < rowsPerModule; r++)
            for (int f = 0; f < filters; f++) block[(size_t)r * filters + f] *= factors[f];
    });
}

}  // namespace conv_backend
