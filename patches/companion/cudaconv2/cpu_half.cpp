// The half quantiser on the CPU: IEEE binary16 in linear memory, round to nearest even, overflow to infinity.
//
// Two values share one float of storage, so halves are moved with memcpy. Checked against every binary16 value and
// against neighbours of every rounding boundary by tests/conv. Source: companion-native section 4.6.
#include "backend.h"
#include "cpu_support.h"
#include "formulas.h"

#include <algorithm>
#include <cstring>

namespace conv_backend {

namespace {

const size_t CHUNK = 1 << 14;

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
