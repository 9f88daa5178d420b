// Random matrices of the CUDA flavour (RANDOM.md): one thread makes the four numbers of a block of the generator, for four
// neighbours.
#include "backend.h"

namespace companion {

namespace {

__global__ void kUniform(Walk walk, Place target, bool flat, RandomNumbers numbers) {
    const unsigned int block = flatThread(), first = 4 * block;
    if (first >= walk.count) {
        return;
    }
    const Words words = numbers.words(block);
    Lanes<4> made;
#pragma unroll
    for (int l = 0; l < 4; l++) {
        made.at[l] = uniform(words.word[l]);
    }
    if (flat && first + 4 <= walk.count) {
        storeLanes(target.data + first, made);
        return;
    }
#pragma unroll
    for (int l = 0; l < 4; l++) {
        unsigned int i;
        const unsigned int o = walk.inner(first + l, i);
        if (first + l < walk.count) {
            target.at(o, i) = made.at[l];
        }
    }
}

__global__ void kNormal(Walk walk, Place target, Place stdevs, bool squared, RandomNumbers numbers) {
    const unsigned int block = flatThread(), first = 4 * block;
    if (first >= walk.count) {
        return;
    }
    const Words words = numbers.words(block);
    float normal[4];
    normalPair(uniform(words.word[0]), uniform(words.word[1]), normal[0], normal[1]);
    normalPair(uniform(words.word[2]), uniform(words.word[3]), normal[2], normal[3]);
#pragma unroll
    for (int l = 0; l < 4; l++) {
        unsigned int i;
        const unsigned int o = walk.inner(first + l, i);
        if (first + l < walk.count) {
            const float f = stdevs.at(o, i);
            target.at(o, i) += (squared ? f * f : f) * normal[l];
        }
    }
}

}  // namespace

void fillUniform(MemoryShape shape, Operand target, RandomNumbers numbers) {
    if (shape.count() == 0) {
        return;
    }
    kUniform<<<flatBlocks((shape.count() + 3) / 4), FLAT_THREADS>>>(Walk(shape), Place(shape, target),
                                                                    areFlat(shape, target), numbers);
    getLastCudaError("uniform random numbers");
}

void addNormal(MemoryShape shape, Operand target, Operand stdevs, bool squared, RandomNumbers numbers) {
    if (shape.count() == 0) {
        return;
    }
    kNormal<<<flatBlocks((shape.count() + 3) / 4), FLAT_THREADS>>>(Walk(shape), Place(shape, target), Place(shape, stdevs),
                                                                   squared, numbers);
    getLastCudaError("normal random numbers");
}

}  // namespace companion
