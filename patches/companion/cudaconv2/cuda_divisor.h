// Quotients by a number that only the host knows before a launch, without the division GPUs lack: one multiplication and
// a shift (Granlund and Montgomery, "Division by invariant integers using multiplication", 1994).
#ifndef COMPANION_CONV_CUDA_DIVISOR_H
#define COMPANION_CONV_CUDA_DIVISOR_H

#include <conv_shapes.h>

#include <stdint.h>

namespace conv_backend {

struct Divisor {
    int by;
    uint32_t factor;
    uint32_t shift;

    // n / by for 0 <= n < 2^31, exact.
    CONV_BOTH int quotient(int n) const {
        const uint32_t high = (uint32_t)(((uint64_t)(uint32_t)n * factor) >> 32);
        return (int)((high + (uint32_t)n) >> shift);
    }
};

// by > 0. An empty matrix may ask for 0: nothing is divided then, and 1 stands in.
inline Divisor divisor(int by) {
    Divisor d = {by > 0 ? by : 1, 0, 0};
    while (((uint64_t)1 << d.shift) < (uint64_t)d.by) d.shift++;
    const uint64_t excess = ((uint64_t)1 << d.shift) - d.by;
    d.factor = (uint32_t)((excess << 32) / d.by + 1);
    return d;
}

}  // namespace conv_backend

#endif
