// The half quantiser against an exact search for the nearest binary16 value (companion-native 4.6).
#include "operands.h"

#include <cstdint>
#include <cstring>

using namespace check;

namespace {

double halfValue(unsigned half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    double value;
    if (exponent == 31) {
        value = fraction ? NOT_A_NUMBER : std::numeric_limits<double>::infinity();
    } else if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else {
        value = std::ldexp(1024 + fraction, exponent - 25);
    }
    return half & 0x8000 ? -value : value;
}

// Nearest, ties to the even fraction, 65520 and above to infinity.
unsigned nearestHalf(double value) {
    const unsigned sign = std::signbit(value) ? 0x8000 : 0;
    const double magnitude = std::fabs(value);
    if (magnitude >= 65520) return sign | 0x7c00;
    unsigned low = 0, high = 0x7c00;
    while (high - low > 1) {
        const unsigned middle = (low + high) / 2;
        (halfValue(middle) <= magnitude ? low : high) = middle;
    }
    const double below = magnitude - halfValue(low), above = (high == 0x7c00 ? 65536 : halfValue(high)) - magnitude;
    if (below < above || (below == above && low % 2 == 0)) return sign | low;
    return sign | high;
}

std::vector<uint16_t> packed(NVMatrix& matrix) {
    Matrix host;
    matrix.copyToHost(host, true);
    std::vector<uint16_t> halves(2 * static_cast<size_t>(matrix.getNumElements()));
    if (!halves.empty()) std::memcpy(halves.data(), host.getData(), 2 * halves.size());
    return halves;
}

}  // namespace

CASE(convQuantizeHalf_rounding) {
    std::vector<float> values;
    for (unsigned half = 0; half < 0x7c00; half++) {
        const float value = static_cast<float>(halfValue(half));
        const float next = half + 1 == 0x7c00 ? 65536.0f : static_cast<float>(halfValue(half + 1));
        const float middle = (value + next) / 2;
        for (float x : {value, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e30f)}) {
            values.push_back(x);
            values.push_back(-x);
        }
    }
    for (float x : {65519.996f, 65520.0f, 1e38f, 1e-30f, 1e-45f}) values.push_back(x);
    Dense m(1, static_cast<int>(values.size()));
    for (size_t i = 0; i < values.size(); i++) m.at[i] = values[i];
    Held source(m);
    HostNVMatrix target;
    convQuantizeHalf(*source, target);
    CHECK_EQUAL(target.getNumRows(), 1);
    CHECK_EQUAL(target.getNumCols(), (m.cols + 1) / 2);
    const std::vector<uint16_t> halves = packed(target);
    for (size_t i = 0; i < values.size(); i++) CHECK_EQUAL(static_cast<unsigned>(halves[i]), nearestHalf(values[i]));
}

CASE(convDequantizeHalf_every_value) {
    Dense m(1, 0x8000);
    for (unsigned i = 0; i < 0x8000; i++) {
        const uint16_t pair[2] = {static_cast<uint16_t>(2 * i), static_cast<uint16_t>(2 * i + 1)};
        float both;
        std::memcpy(&both, pair, sizeof both);
        m.at[i] = both;
    }
    // Through memory, not through double: a float64 would quieten the NaNs that some pairs of halves spell.
    Matrix host(1, 0x8000);
    for (unsigned i = 0; i < 0x8000; i++) {
        const uint16_t pair[2] = {static_cast<uint16_t>(2 * i), static_cast<uint16_t>(2 * i + 1)};
        std::memcpy(&host(0, i), pair, sizeof pair);
    }
    NVMatrix source(1, 0x8000), target;
    source.copyFromHost(host);
    convDequantizeHalf(source, target, 0x10000, 0, 1);
    const Dense values = download(target);
    for (unsigned half = 0; half < 0x10000; half++) {
        const double expected = halfValue(half);
        CHECK(std::isnan(expected) ? std::isnan(values.at[half]) : values.at[half] == expected);
    }
}

CASE(convDequantizeHalf_scales) {
    for (int count : {1, 2, 7, 40000}) {
        const Dense x = random(1, count, 1, -4, 4), old = random(1, count, 2);
        Held source(x);
        HostNVMatrix half;
        convQuantizeHalf(*source, half);
        Dense rounded = x;
        for (double& v : rounded.at) v = halfValue(nearestHalf(v));
        NVMatrix empty;
        convDequantizeHalf(half, empty, count, 0, 1);
        CHECK_MATRIX(empty, rounded, 0);
        Held nan(Dense(count, 1, NOT_A_NUMBER));
        convDequantizeHalf(half, *nan, count, 0, 0.5f);
        CHECK_EQUAL((*nan).getNumRows(), count);
        (*nan).reshape(1, count);
        CHECK_MATRIX(*nan, combined(rounded, 0, rounded, 0.5), 0);
        Held target(old);
        convDequantizeHalf(half, *target, count, 1, 1);
        CHECK_MATRIX(*target, combined(old, 1, rounded, 1), 1e-6);
    }
}

// The release quantises a matrix of either flag and restores flag and dimensions afterwards.
CASE(halves_keep_memory_order) {
    const Dense x = random(3, 5, 3);
    for (Form form : {PLAIN, COLUMN_MAJOR}) {
        Held source(x, form);
        HostNVMatrix half;
        convQuantizeHalf(*source, half);
        NVMatrix target;
        convDequantizeHalf(half, target, 15, 0, 1);
        target.setTrans(form == COLUMN_MAJOR);
        target.reshape(3, 5);
        CHECK_MATRIX(target, x, 1e-3);
    }
}

CASE(halves_empty) {
    NVMatrix source, target;
    HostNVMatrix half;
    convQuantizeHalf(source, half);
    CHECK_EQUAL(half.getNumElements(), 0);
    convDequantizeHalf(half, target, 0, 0, 1);
    CHECK_EQUAL(target.getNumElements(), 0);
}

TEST_MAIN
