// Pooling on the CPU: backward passes and random pooling (the forward template is in conv_util.cuh).
//
// Each pixel gathers from the outputs that cover it, in order, so there are no races. Checked against direct float64
// loops by tests/conv. Formulas: companion-native section 4.4.
#include "backend.h"
#include "cpu_support.h"
#include "formulas.h"

#include <algorithm>

namespace conv_backend {

namespace {

const int CASE_BLOCK = 256;

// Calls add(output row, clipped window size) for each output that covers the pixel, then writes the pixel's row.
template <class Add>
void undoPixels(const PoolShape& s, float* target, Scales scales, const Add& add) {
    forCaseBlocks(s.channels * s.imgSize, s.cases, CASE_BLOCK, [&](int line, int first, int count) {
        const int channel = line / s.imgSize, y = line % s.imgSize;
        const Range oys = s.covering(y);
        float sum[CASE_BLOCK];
        for (int x = 0; x < s.imgSize; x++) {
            const Range oxs = s.covering(x);
            const size_t pixel = ((size_t)line * s.imgSize + x) * s.cases + first;
            std::fill(sum, sum + count, 0.0f);
            for (int oy = oys.first; oy < oys.last; oy++)
                for (int ox = oxs.first; ox < oxs.last; ox++) {
                    const size_t output = ((size_t)(channel * s.outputs + oy) * s.outputs + ox) * s.cases + first;
                    add(sum, pixel, output, s.clipped(oy).count() * s.clipped(ox).count(), count);
                }
            writeRow(target + pixel, sum, count, scales);
        }
    });
}

}  // namespace

void poolAvgUndo(const PoolShape& s, const float* grads, float* target, Scales scales) {
    undoPixels(s, target, scales, [&](float* sum, size_t, size_t output, int size, int count) {
        const float share = 1.0f / size;
        for (int i = 0; i < count; i++) sum[i] += grads[output + i] * share;
    });
}

void poolMaxUndo(const PoolShape& s, const float* images, const float* grads, const float* acts, float* target,
                 Scales scales) {
    undoPixels(s, target, scales, [&](float* sum, size_t pixel, size_t output, int, int count) {
        for (int i = 0; i < count; i++)
            sum[i] += grads[output + i] * (float)(images[pixel + i] == acts[output + i]);
    });
}

void poolRandom(const PoolShape& s, const float* images, const float* uniforms, float* target) {
    forCaseBlocks(s.channels * s.outputs, s.cases, CASE_BLOCK, [&](int line, int first, int count) {
        const int channel = line / s.outputs;
        const Range ys = s.clipped(line % s.outputs);
        for (int ox = 0; ox < s.outputs; ox++) {
            const Range xs = s.clipped(ox);
            const size_t output = ((size_t)line * s.outputs + ox) * s.cases + first;
            for (int i = 0; i < count; i++) {
                const int pick = randomPick(uniforms[output + i], ys.count() * xs.count());
                if (pick < 0) {
                    // A window wholly outside the image has nothing to pick.
                    target[output + i] = 0;
                    continue;
                }
                const int y = ys.first + pick / xs.count(), x = xs.first + pick % xs.count();
                target[output + i] = images[(((size_t)channel * s.imgSize + y) * s.imgSize + x) * s.cases + first + i];
            }
        }
    });
}

}  // namespace conv_backend
