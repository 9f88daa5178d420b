// Per-element formulas that both back ends compile: one text, so the flavours cannot drift apart.
//
// Source: companion-native sections 4.4 and 4.6, engine-semantics section 2.11; random picks: RANDOM.md.
#ifndef COMPANION_CONV_FORMULAS_H
#define COMPANION_CONV_FORMULAS_H

#include <math.h>

#ifdef __CUDACC__
#define CONV_BOTH __host__ __device__ inline
#else
#define CONV_BOTH inline
#endif

namespace conv_backend {

// Which element of a window of `size`, row by row, a uniform number on (0, 1] picks.
CONV_BOTH int randomPick(float uniform, int size) { return (int)ceilf(uniform * size) - 1; }

// Where one output coordinate reads: pixels low and low + 1, with their weights (two roundings, as in 2012).
struct BilinearTap {
    int low;
    float lowWeight;
    float highWeight;
};

CONV_BOTH BilinearTap bilinearTap(int t, int imgSize, int tgtSize, float scale) {
    const float offset = (float)(imgSize / 2.0 - tgtSize / 2.0 * scale);
    const float source = fmaxf(0.0f, fminf(t * scale + offset, imgSize - 1.01f));
    BilinearTap tap;
    tap.low = (int)source;
    tap.lowWeight = floorf(source + 1.0f) - source;
    tap.highWeight = source - tap.low;
    return tap;
}

CONV_BOTH float bilinearValue(float v00, float v01, float v10, float v11, BilinearTap x, BilinearTap y) {
    const float top = x.lowWeight * (v00 - v01) + v01;
    const float bottom = x.lowWeight * (v10 - v11) + v11;
    return y.highWeight * (bottom - top) + top;
}

CONV_BOTH void yuvOf(float r, float g, float b, float& y, float& u, float& v) {
    y = 0.2126f * r + 0.7152f * g + 0.0722f * b;
    u = -0.09991f * r - 0.33609f * g + 0.436f * b;
    v = 0.615f * r - 0.55861f * g - 0.05639f * b;
}

CONV_BOTH float labCurve(float t) {
    return t > 0.0088564517f ? powf(t, 0.3333f) : 7.787037f * t + 0.13793103f;
}

CONV_BOTH void labOf(float r, float g, float b, bool center, float& l, float& a, float& b2) {
    const float fx = labCurve(0.49f * r + 0.31f * g + 0.2f * b);
    const float fy = labCurve(0.17697f * r + 0.8124f * g + 0.01063f * b);
    const float fz = labCurve(0.01f * g + 0.99f * b);
    l = 116.0f * fy - 16.0f - (center ? 50.0f : 0.0f);
    a = 500.0f * (fx - fy);
    b2 = 200.0f * (fy - fz);
}

}  // namespace conv_backend

#endif
