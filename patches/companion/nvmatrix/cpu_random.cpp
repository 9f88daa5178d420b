// Random matrices of the CPU flavour (RANDOM.md): element e in memory order takes number e.
#include <algorithm>

#include "backend.h"

namespace companion {

namespace {

// Numbers made by one piece of a parallel loop; a multiple of the four that a block of the generator gives.
const long PIECE = 16384;

// Blocks of the generator that are made side by side, one in each lane of the vector unit.
const int LANES = 16;

// The words of blocks first .. first + LANES - 1: word w of block first + l at words[w][l]. The same ten rounds as philox().
void philoxLanes(const RandomNumbers& numbers, uint64_t first, uint32_t (&words)[4][LANES]) {
    for (int l = 0; l < LANES; l++) {
        const uint64_t block = numbers.firstBlock + first + l;
        words[0][l] = static_cast<uint32_t>(block);
        words[1][l] = static_cast<uint32_t>(block >> 32);
        words[2][l] = numbers.device;
        words[3][l] = 0;
    }
    uint32_t k0 = static_cast<uint32_t>(numbers.seed), k1 = static_cast<uint32_t>(numbers.seed >> 32);
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int l = 0; l < LANES; l++) {
            const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * words[0][l];
            const uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * words[2][l];
            words[0][l] = static_cast<uint32_t>(p1 >> 32) ^ words[1][l] ^ k0;
            words[2][l] = static_cast<uint32_t>(p0 >> 32) ^ words[3][l] ^ k1;
            words[1][l] = static_cast<uint32_t>(p1);
            words[3][l] = static_cast<uint32_t>(p0);
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// Elements of a matrix without gaps, many blocks at a time; the rest is left to the caller, who is told where it begins.
long fillWhole(long from, long end, RandomNumbers numbers, float* target) {
    uint32_t words[4][LANES];
    for (; from + 4 * LANES <= end; from += 4 * LANES) {
        philoxLanes(numbers, from / 4, words);
        for (int l = 0; l < LANES; l++) {
            for (int w = 0; w < 4; w++) {
                target[from + 4 * l + w] = uniform(words[w][l]);
            }
        }
    }
    return from;
}

// Calls use(e, words) for every group of four elements that begins at e.
template <class Use>
void forEachBlock(long count, RandomNumbers numbers, Use use) {
    const long pieces = (count + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (pieces > 1)
    for (long piece = 0; piece < pieces; piece++) {
        const long end = std::min(count, (piece + 1) * PIECE);
        for (long e = piece * PIECE; e < end; e += 4) {
            use(e, std::min(4L, end - e), numbers.words(e / 4));
        }
    }
}

float& element(const MemoryShape& shape, const Operand& operand, long e) {
    return operand.data[e / shape.inner * operand.outer + e % shape.inner * operand.inner];
}

}  // namespace

void fillUniform(MemoryShape shape, Operand target, RandomNumbers numbers) {
    const long count = shape.count(), pieces = (count + PIECE - 1) / PIECE;
    const bool flat = target.isFlat(shape);
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (pieces > 1)
    for (long piece = 0; piece < pieces; piece++) {
        const long end = std::min(count, (piece + 1) * PIECE);
        const long rest = flat ? fillWhole(piece * PIECE, end, numbers, target.data) : piece * PIECE;
        for (long e = rest; e < end; e += 4) {
            const Words words = numbers.words(e / 4);
            for (long i = 0; i < std::min(4L, end - e); i++) {
                element(shape, target, e + i) = uniform(words.word[i]);
            }
        }
    }
}

void addNormal(MemoryShape shape, Operand target, Operand stdevs, bool squared, RandomNumbers numbers) {
    forEachBlock(shape.count(), numbers, [=](long e, long count, Words words) {
        float normal[4];
        normalPair(uniform(words.word[0]), uniform(words.word[1]), normal[0], normal[1]);
        normalPair(uniform(words.word[2]), uniform(words.word[3]), normal[2], normal[3]);
        for (long i = 0; i < count; i++) {
            const float f = element(shape, stdevs, e + i);
            element(shape, target, e + i) += (squared ? f * f : f) * normal[i];
        }
    });
}

}  // namespace companion
