// Quotients that the GPU kernels take without dividing, against division: every number they may meet has 31 bits.
#include "../../cudaconv2/cuda_divisor.h"

#include <limits.h>
#include <random>

#include "check.h"

using conv_backend::Divisor;
using conv_backend::divisor;

namespace {

bool isExact(const Divisor& d, long n) {
    return n < 0 || n > INT_MAX || d.quotient(static_cast<int>(n)) == static_cast<int>(n) / d.by;
}

// Around multiples, where a quotient that is off shows first.
bool isExactAroundMultiples(int by, std::mt19937& generator) {
    const Divisor d = divisor(by);
    bool exact = isExact(d, INT_MAX) && isExact(d, INT_MAX - 1L);
    for (int draw = 0; draw < 50; draw++) {
        const long multiple = static_cast<long>(by) * (draw < 3 ? draw : generator() % (INT_MAX / by + 1L));
        for (long n = multiple - 1; n <= multiple + 1; n++) exact = exact && isExact(d, n);
    }
    return exact;
}

}  // namespace

CASE(quotients_by_small_numbers) {
    std::mt19937 generator(7);
    for (int by = 1; by <= 3000; by++) CHECK(isExactAroundMultiples(by, generator));
}

CASE(quotients_by_powers_of_two_and_their_neighbours) {
    std::mt19937 generator(8);
    for (int bit = 1; bit < 31; bit++) {
        for (long by = (1L << bit) - 1; by <= (1L << bit) + 1; by++) CHECK(isExactAroundMultiples((int)by, generator));
    }
    CHECK(isExactAroundMultiples(INT_MAX, generator));
}

CASE(quotients_by_any_number) {
    std::mt19937 generator(9);
    for (int draw = 0; draw < 20000; draw++) CHECK(isExactAroundMultiples(1 + generator() % INT_MAX, generator));
}

CASE(every_dividend_of_a_minibatch) {
    for (int by : {1, 3, 11, 96, 100, 121, 128, 363, 3025}) {
        const Divisor d = divisor(by);
        bool exact = true;
        for (int n = 0; n < 1 << 20; n++) exact = exact && isExact(d, n);
        CHECK(exact);
    }
}

CASE(nothing_is_divided_by_zero) { CHECK_EQUAL(divisor(0).quotient(5), 5); }

TEST_MAIN
