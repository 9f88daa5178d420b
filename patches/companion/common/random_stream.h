// The companion's random numbers (RANDOM.md): Philox4x32-10, one stream per device of a run, the same in both flavours and in the
// reference engine. The generator is checked against the known answer of its authors in tests/core/random.cu.
#ifndef COMPANION_RANDOM_STREAM_H
#define COMPANION_RANDOM_STREAM_H

#include <cuda_runtime.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

namespace companion {

struct Words {
    uint32_t word[4];
};

// Block `counter` under `key`, ten rounds.
__host__ __device__ inline Words philox(const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0;
        const uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
        const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
        const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c1 = static_cast<uint32_t>(p1);
        c3 = static_cast<uint32_t>(p0);
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    const Words words = {{c0, c1, c2, c3}};
    return words;
}

// A word as a number in (0, 1], exact in single precision.
__host__ __device__ inline float uniform(uint32_t word) {
    return (static_cast<float>(word >> 8) + 1.0f) * (1.0f / 16777216.0f);
}

// The numbers of one call: number e is word e mod 4 of block firstBlock + e div 4.
struct RandomNumbers {
    uint64_t seed;
    uint64_t firstBlock;
    uint32_t device;

    // Numbers 4 * index .. 4 * index + 3.
    __host__ __device__ inline Words words(uint64_t index) const {
        const uint64_t block = firstBlock + index;
        const uint32_t counter[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), device, 0};
        const uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
        return philox(counter, key);
    }
};

// A pair of uniform numbers as a pair of standard normal ones.
__host__ __device__ inline void normalPair(float u, float v, float& first, float& second) {
    const float radius = sqrtf(-2.0f * logf(u));
    const float angle = 6.283185307179586f * v;
    first = radius * cosf(angle);
    second = radius * sinf(angle);
}

// Takes the next `count` numbers of the stream of the calling thread's device, which initRandom must have started.
RandomNumbers takeRandomNumbers(size_t count);

}  // namespace companion

#endif
