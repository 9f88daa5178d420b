// Random matrices of the CPU flavour (RANDOM.md): element e in memory order takes number e.
#include <algorithm>

#include "backend.h"

namespace companion {

namespace {

// Numbers made by one piece of a parallel loop; a multiple of the four that a block of the generator gives.
const long PIECE = 16384;

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
    forEachBlock(shape.count(), numbers, [=](long e, long count, Words words) {
        for (long i = 0; i < count; i++) {
            element(shape, target, e + i) = uniform(words.word[i]);
        }
    });
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
