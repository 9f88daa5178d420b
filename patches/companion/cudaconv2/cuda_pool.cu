// Pooling on GPUs: backward passes and random pooling (the forward template is in conv_pool_cuda.cuh).
//
// Each pixel gathers from the outputs that cover it, in order. Checked by tests/conv. Formulas: companion-native section
// 4.4.
#include "cuda_launch.h"
#include "formulas.h"

namespace conv_backend {

namespace {

// The outputs that cover a pixel, and where the first case of one of them lies.
struct Covering {
    Covering(const PoolShape& shape) : s(shape), stride((unsigned int)shape.stride) {}
    PoolShape s;
    companion::Divisor stride;

    __device__ Range of(int pixel) const { return s.covering(pixel, stride); }
    __device__ int at(const Place& p, int oy, int ox) const {
        return ((p.map * s.outputs + oy) * s.outputs + ox) * s.cases + (int)p.i;
    }
};

// A pixel's gradient: what it gets from each of those outputs, summed.
template <class Share>
struct PoolUndo {
    Covering outputs;
    Share share;
    float* target;
    Scales scales;

    template <int N>
    __device__ void run(const Place& p) const {
        const Range oys = outputs.of(p.y), oxs = outputs.of(p.x);
        const auto pixel = share.template at<N>(p);
        Lanes<N> sum = allLanes<N>(0);
        for (int oy = oys.first; oy < oys.last; oy++)
            for (int ox = oxs.first; ox < oxs.last; ox++) share.add(sum, pixel, outputs, oy, ox, outputs.at(p, oy, ox));
        writeLanes(target + p.at, sum, scales);
    }
};

// Every pixel of a window gets the same.
struct AvgShare {
    const float* grads;

    struct Nothing {};
    template <int N>
    __device__ Nothing at(const Place&) const { return Nothing(); }
    template <int N>
    __device__ void add(Lanes<N>& sum, Nothing, const Covering& outputs, int oy, int ox, int output) const {
        const float share = 1.0f / (outputs.s.clipped(oy).count() * outputs.s.clipped(ox).count());
        const Lanes<N> grad = loadLanes<N>(grads + output);
#pragma unroll
        for (int l = 0; l < N; l++) sum.at[l] += grad.at[l] * share;
    }
};

// Every pixel that equals the output gets all of it.
struct MaxShare {
    const float* images;
    const float* grads;
    const float* acts;

    template <int N>
    __device__ Lanes<N> at(const Place& p) const { return loadLanes<N>(images + p.at); }
    template <int N>
    __device__ void add(Lanes<N>& sum, const Lanes<N>& image, const Covering&, int, int, int output) const {
        const Lanes<N> grad = loadLanes<N>(grads + output), act = loadLanes<N>(acts + output);
#pragma unroll
        for (int l = 0; l < N; l++) sum.at[l] += grad.at[l] * (float)(image.at[l] == act.at[l]);
    }
};

struct PoolRandom {
    PoolShape s;
    const float* images;
    const float* uniforms;
    float* target;

    template <int N>
    __device__ void run(const Place& p) const {
        const Range ys = s.clipped(p.y), xs = s.clipped(p.x);
        const Lanes<N> uniform = loadLanes<N>(uniforms + p.at);
        Lanes<N> picked;
        for (int l = 0; l < N; l++) {
            const int pick = randomPick(uniform.at[l], ys.count() * xs.count());
            // A window wholly outside the image has nothing to pick.
            picked.at[l] = 0;
            if (pick >= 0) {
                const int y = ys.first + pick / xs.count(), x = xs.first + pick % xs.count();
                picked.at[l] = images[((p.map * s.imgSize + y) * s.imgSize + x) * s.cases + (int)p.i + l];
            }
        }
        storeLanes(target + p.at, picked);
    }
};

Maps pixelsOf(const PoolShape& s) {
    const Maps maps = {s.channels, s.imgSize, s.imgSize, s.cases};
    return maps;
}

}  // namespace

void poolAvgUndo(const PoolShape& s, const float* grads, float* target, Scales scales) {
    const PoolUndo<AvgShare> body = {s, {grads}, target, scales};
    forEachPlace("gradient of average pooling", pixelsOf(s), body, grads, target);
}

void poolMaxUndo(const PoolShape& s, const float* images, const float* grads, const float* acts, float* target,
                 Scales scales) {
    const PoolUndo<MaxShare> body = {s, {images, grads, acts}, target, scales};
    forEachPlace("gradient of maximum pooling", pixelsOf(s), body, images, grads, acts, target);
}

void poolRandom(const PoolShape& s, const float* images, const float* uniforms, float* target) {
    const Maps outputs = {s.channels, s.outputs, s.outputs, s.cases};
    const PoolRandom body = {s, images, uniforms, target};
    forEachPlace("random pooling", outputs, body, uniforms, target);
}

}  // namespace conv_backend
