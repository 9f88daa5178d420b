// How kernels find elements: quotients without division, on the host, where they are the same expressions.
#include <cuda_runtime.h>
#include <nvmatrix_index.cuh>

#include "check.h"

using companion::Divisor;

namespace {

const unsigned int LARGEST = 0x7fffffff;

// Around the multiples of the divisor that lie near `dividend`.
bool dividesAround(unsigned int divisor, unsigned int dividend) {
    const Divisor by(divisor);
    const unsigned int multiple = dividend - dividend % divisor;
    const unsigned int dividends[] = {dividend, multiple, multiple > 0 ? multiple - 1 : 0};
    for (unsigned int one : dividends) {
        unsigned int rest = LARGEST;
        if (by(one) != one / divisor || by(one, rest) != one / divisor || rest != one % divisor) {
            return false;
        }
    }
    return true;
}

}  // namespace

CASE(small_divisors_over_the_whole_range) {
    for (unsigned int divisor = 1; divisor <= 1100; divisor++) {
        bool right = dividesAround(divisor, LARGEST);
        for (unsigned int dividend = 0; dividend < LARGEST - 1000003; dividend += 1000003) {
            right = right && dividesAround(divisor, dividend);
        }
        CHECK(right);
    }
}

CASE(large_divisors) {
    unsigned int state = 1;
    for (int n = 0; n < 100000; n++) {
        state = state * 1664525u + 1013904223u;
        const unsigned int divisor = (state >> (1 + n % 30)) + 1;
        CHECK(dividesAround(divisor, LARGEST) && dividesAround(divisor, state >> 1));
    }
    for (int bit = 0; bit < 31; bit++) {
        const unsigned int power = 1u << bit;
        CHECK(dividesAround(power, LARGEST) && dividesAround(power > 1 ? power - 1 : 1, LARGEST) &&
              dividesAround(power + 1, LARGEST));
    }
    CHECK(dividesAround(LARGEST, LARGEST));
}

CASE(four_elements_an_access_need_aligned_arrays) {
    alignas(16) float memory[8] = {};
    CHECK(companion::areAligned(memory, memory + 4));
    CHECK(!companion::areAligned(memory, memory + 1));
    CHECK(!companion::areAligned(memory + 2));
}

TEST_MAIN
