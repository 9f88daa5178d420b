// The half quantiser on the CPU: IEEE binary16 in linear memory, round to nearest even, overflow to infinity.
//
// Two values share one float of storage, so halves are moved with memcpy. Checked against every binary16 value and
// against neighbours of every rounding boundary by tests/conv. Source: companion-native section 4.6.
#include "backend.h"
#include "cpu_support.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace conv_backend {

namespace {

const size_t CHUNK = 1 << 14;

uint16_t toHalf(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return sign | 0x7e00u;             // not a number
    if (magnitude >= 0x477ff000u) return sign | 0x7c00u;            // 65520 and above
    if (magnitude < 0x38800000u) {
        // Below the smallest normal half: let float addition round at the weight of a subnormal's last bit.
        float shifted;
        std::memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        uint32_t sum;
        std::memcpy(&sum, &shifted, sizeof sum);
        return (uint16_t)(sign | (sum - 0x3f000000u));
    }
    const uint32_t odd = (magnitude >> 13) & 1u;
    return (uint16_t)(sign | ((magnitude + 0xfffu + odd - 0x38000000u) >> 13));
}

float fromHalf(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7fffu;
    float value;
    if (magnitude >= 0x7c00u) {
        const uint32_t bits = 0x7f800000u | (magnitude << 13);
        std::memcpy(&value, &bits, sizeof value);
    } else {
        // Read the same bits as a float whose exponent is 112 too small, then mend it: exact for subnormals too.
        const uint32_t bits = magnitude << 13;
        std::memcpy(&value, &bits, sizeof value);
        value *= 5.192296858534828e33f;  // 2^112
    }
    uint32_t out;
    std::memcpy(&out, &value, sizeof out);
    out |= sign;
    std::memcpy(&value, &out, sizeof value);
    return value;
}

}  // namespace

void quantizeHalf(size_t count, const float* source, float* packed) {
    char* bytes = reinterpret_cast<char*>(packed);
    parallelFor((int)((count + CHUNK - 1) / CHUNK), [&](int chunk) {
        const size_t last = std::min(count, (chunk + (size_t)1) * CHUNK);
        for (size_t i = chunk * CHUNK; i < last; i++) {
            const uint16_t half = toHalf(source[i]);
            std::memcpy(bytes + 2 * i, &half, sizeof half);
        }
    });
    if (count % 2 != 0) std::memset(bytes + 2 * count, 0, 2);
}

void dequantizeHalf(size_t count, const float* packed, float* target, Scales scales) {
    const char* bytes = reinterpret_cast<const char*>(packed);
    parallelFor((int)((count + CHUNK - 1) / CHUNK), [&](int chunk) {
        const size_t first = chunk * CHUNK, last = std::min(count, first + CHUNK);
        float values[256];
        for (size_t i = first; i < last; i += 256) {
            const size_t part = std::min<size_t>(256, last - i);
            for (size_t k = 0; k < part; k++) {
                uint16_t half;
                std::memcpy(&half, bytes + 2 * (i + k), sizeof half);
                values[k] = fromHalf(half);
            }
            writeRow(target + i, values, part, scales);
        }
    });
}

}  // namespace conv_backend
