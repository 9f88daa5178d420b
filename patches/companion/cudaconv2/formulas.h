// Per-element formulas that both back ends compile: one text, so the flavours cannot drift apart.
//
// Source: companion-native sections 4.4 and 4.6, engine-semantics section 2.11; random picks: RANDOM.md.
#ifndef COMPANION_CONV_FORMULAS_H
#define COMPANION_CONV_FORMULAS_H

#include <conv_shapes.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

namespace conv_backend {

// Which element of a window of `size`, row by row, a uniform number on (0, 1] picks.
CONV_BOTH inline int randomPick(float uniform, int size) { return (int)ceilf(uniform * size) - 1; }

// Where one output coordinate reads: pixels low and low + 1, with their weights (two roundings, as in 2012).
struct BilinearTap {
    int low;
    float lowWeight;
    float highWeight;
};

CONV_BOTH inline BilinearTap bilinearTap(int t, int imgSize, int tgtSize, float scale) {
    const float offset = (float)(imgSize / 2.0 - tgtSize / 2.0 * scale);
    const float source = fmaxf(0.0f, fminf(t * scale + offset, imgSize - 1.01f));
    BilinearTap tap;
    tap.low = (int)source;
    tap.lowWeight = floorf(source + 1.0f) - source;
    tap.highWeight = source - tap.low;
    return tap;
}

CONV_BOTH inline float bilinearValue(float v00, float v01, float v10, float v11, BilinearTap x, BilinearTap y) {
    const float top = x.lowWeight * (v00 - v01) + v01;
    const float bottom = x.lowWeight * (v10 - v11) + v11;
    return y.highWeight * (bottom - top) + top;
}

CONV_BOTH inline void yuvOf(float r, float g, float b, float& y, float& u, float& v) {
    y = 0.2126f * r + 0.7152f * g + 0.0722f * b;
    u = -0.09991f * r - 0.33609f * g + 0.436f * b;
    v = 0.615f * r - 0.55861f * g - 0.05639f * b;
}

CONV_BOTH inline float labCurve(float t) {
    return t > 0.0088564517f ? powf(t, 0.3333f) : 7.787037f * t + 0.13793103f;
}

CONV_BOTH inline void labOf(float r, float g, float b, bool center, float& l, float& a, float& b2) {
    const float fx = labCurve(0.49f * r + 0.31f * g + 0.2f * b);
    const float fy = labCurve(0.17697f * r + 0.8124f * g + 0.01063f * b);
    const float fz = labCurve(0.01f * g + 0.99f * b);
    l = 116.0f * fy - 16.0f - (center ? 50.0f : 0.0f);
    a = 500.0f * (fx - fy);
    b2 = 200.0f * (fy - fz);
}

// IEEE binary16, round to nearest even, overflow to infinity.
CONV_BOTH inline uint16_t toHalf(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return sign | 0x7e00u;             // not a number
    if (magnitude >= 0x477ff000u) return sign | 0x7c00u;            // 65520 and above
    if (magnitude < 0x38800000u) {
        // Below the smallest normal half: let float addition round at the weight of a subnormal's last bit.
        float shifted;
        memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        uint32_t sum;
        memcpy(&sum, &shifted, sizeof sum);
        return (uint16_t)(sign | (sum - 0x3f000000u));
    }
    const uint32_t odd = (magnitude >> 13) & 1u;
    return (uint16_t)(sign | ((magnitude + 0xfffu + odd - 0x38000000u) >> 13));
}

CONV_BOTH inline float fromHalf(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7fffu;
    float value;
    if (magnitude >= 0x7c00u) {
        const uint32_t bits = 0x7f800000u | (magnitude << 13);
        memcpy(&value, &bits, sizeof value);
    } else {
        // Read the same bits as a float whose exponent is 112 too small, then mend it: exact for subnormals too.
        const uint32_t bits = magnitude << 13;
        memcpy(&value, &bits, sizeof value);
        value *= 5.192296858534828e33f;  // 2^112
    }
    uint32_t out;
    memcpy(&out, &value, sizeof out);
    out |= sign;
    memcpy(&value, &out, sizeof value);
    return value;
}

// d^(-power), as both flavours of a norm's power.
CONV_BOTH inline float negativePower(float d, float power) {
    if (power == 0.75f) {
        const float root = sqrtf(d);
        return 1.0f / (root * sqrtf(root));
    }
    return power == 0.5f ? 1.0f / sqrtf(d) : powf(d, -power);
}

}  // namespace conv_backend

#endif
