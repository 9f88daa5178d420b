// Pooling on GPUs: backward passes and random pooling (the forward template is in conv_pool_cuda.cuh).
//
// One thread for each element of the result; each pixel gathers from the outputs that cover it, in order. Checked by
// tests/conv. Formulas: companion-native section 4.4.
#include "cuda_launch.h"
#include "formulas.h"

namespace conv_backend {

namespace {

__device__ size_t outputAt(const PoolShape& s, const Place& p, int oy, int ox) {
    return (size_t)((p.channel * s.outputs + oy) * s.outputs + ox) * s.cases + p.i;
}

__global__ void kPoolAvgUndo(PoolShape s, const float* grads, float* target, size_t count, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, s.cases, s.imgSize);
        const Range oys = s.covering(p.y), oxs = s.covering(p.x);
        float sum = 0;
        for (int oy = oys.first; oy < oys.last; oy++)
            for (int ox = oxs.first; ox < oxs.last; ox++)
                sum += grads[outputAt(s, p, oy, ox)] * (1.0f / (s.clipped(oy).count() * s.clipped(ox).count()));
        write(target + at, sum, scales);
    }
}

__global__ void kPoolMaxUndo(PoolShape s, const float* images, const float* grads, const float* acts, float* target,
                             size_t count, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, s.cases, s.imgSize);
        const Range oys = s.covering(p.y), oxs = s.covering(p.x);
        const float image = images[at];
        float sum = 0;
        for (int oy = oys.first; oy < oys.last; oy++)
            for (int ox = oxs.first; ox < oxs.last; ox++) {
                const size_t output = outputAt(s, p, oy, ox);
                sum += grads[output] * (float)(image == acts[output]);
            }
        write(target + at, sum, scales);
    }
}

__global__ void kPoolRandom(PoolShape s, const float* images, const float* uniforms, float* target, size_t count) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, s.cases, s.outputs);
        const Range ys = s.clipped(p.y), xs = s.clipped(p.x);
        const int pick = randomPick(uniforms[at], ys.count() * xs.count());
        // A window wholly outside the image has nothing to pick.
        float picked = 0;
        if (pick >= 0) {
            const int y = ys.first + pick / xs.count(), x = xs.first + pick % xs.count();
            picked = images[(size_t)((p.channel * s.imgSize + y) * s.imgSize + x) * s.cases + p.i];
        }
        target[at] = picked;
    }
}

size_t pixelCount(const PoolShape& s) { return (size_t)s.channels * s.imgSize * s.imgSize * s.cases; }

}  // namespace

void poolAvgUndo(const PoolShape& s, const float* grads, float* target, Scales scales) {
    const size_t count = pixelCount(s);
    if (count == 0) return;
    kPoolAvgUndo<<<elementGrid(count), ELEMENT_THREADS>>>(s, grads, target, count, scales);
    getLastCudaError("gradient of average pooling");
}

void poolMaxUndo(const PoolShape& s, const float* images, const float* grads, const float* acts, float* target,
                 Scales scales) {
    const size_t count = pixelCount(s);
    if (count == 0) return;
    kPoolMaxUndo<<<elementGrid(count), ELEMENT_THREADS>>>(s, images, grads, acts, target, count, scales);
    getLastCudaError("gradient of maximum pooling");
}

void poolRandom(const PoolShape& s, const float* images, const float* uniforms, float* target) {
    const size_t count = (size_t)s.channels * s.outputs * s.outputs * s.cases;
    if (count == 0) return;
    kPoolRandom<<<elementGrid(count), ELEMENT_THREADS>>>(s, images, uniforms, target, count);
    getLastCudaError("random pooling");
}

}  // namespace conv_backend
