// How the CUDA flavour's kernels find their elements: 32-bit indices, for no matrix has 2^31 elements (companion-native 2.5:
// counts are `int`); quotients without division instructions; neighbours four at a time. Held by tests/core/index.cpp.
#ifndef COMPANION_NVMATRIX_INDEX_CUH
#define COMPANION_NVMATRIX_INDEX_CUH

#include <stdint.h>

namespace companion {

// Quotients by a number that is known at the launch, as one multiplication, for dividends below 2^31: the rounded-up
// reciprocal, 2^32 * (2^shift / divisor - 1) + 1, has an error too small to be seen by such dividends.
class Divisor {
public:
    __host__ explicit Divisor(unsigned int divisor) : _divisor(divisor), _shift(0) {
        while ((1ull << _shift) < divisor) {
            _shift++;
        }
        _factor = static_cast<unsigned int>((((1ull << _shift) - divisor) << 32) / divisor + 1);
    }

    __host__ __device__ unsigned int operator()(unsigned int dividend) const {
        const unsigned int high = static_cast<unsigned int>((static_cast<unsigned long long>(dividend) * _factor) >> 32);
        return (high + dividend) >> _shift;
    }

    __host__ __device__ unsigned int by() const { return _divisor; }

    // The quotient, and what is left.
    __host__ __device__ unsigned int operator()(unsigned int dividend, unsigned int& rest) const {
        const unsigned int quotient = (*this)(dividend);
        rest = dividend - quotient * _divisor;
        return quotient;
    }

private:
    unsigned int _divisor;
    unsigned int _shift;
    unsigned int _factor;
};

// N neighbouring elements, which travel as one access; N is 1 or 4.
template <int N>
struct alignas(4 * N) Lanes {
    float at[N];
};

template <int N>
__device__ inline Lanes<N> loadLanes(const float* from) {
    return *reinterpret_cast<const Lanes<N>*>(from);
}

template <int N>
__device__ inline void storeLanes(float* to, const Lanes<N>& lanes) {
    *reinterpret_cast<Lanes<N>*>(to) = lanes;
}

// Whether all arrays may be accessed four elements at a time.
template <class... Arrays>
inline bool areAligned(const Arrays*... arrays) {
    uintptr_t bits = 0;
    const uintptr_t addresses[] = {reinterpret_cast<uintptr_t>(arrays)...};
    for (uintptr_t address : addresses) {
        bits |= address;
    }
    return bits % alignof(Lanes<4>) == 0;
}

}  // namespace companion

#endif
