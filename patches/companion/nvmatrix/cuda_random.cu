// Random matrices of the CUDA flavour (RANDOM.md): one thread makes the four numbers of a block of the generator.
#include "backend.h"

namespace companion {

namespace {

__device__ float& element(const MemoryShape& shape, const Operand& operand, long e) {
    return operand.data[e / shape.inner * operand.outer + e % shape.inner * operand.inner];
}

__global__ void kUniform(MemoryShape shape, Operand target, RandomNumbers numbers) {
    const long count = shape.outer * shape.inner;
    COMPANION_FOR_FLAT(block, (count + 3) / 4) {
        const Words words = numbers.words(block);
        for (int i = 0; i < 4 && 4 * block + i < count; i++) {
            element(shape, target, 4 * block + i) = uniform(words.word[i]);
        }
    }
}

__global__ void kNormal(MemoryShape shape, Operand target, Operand stdevs, bool squared, RandomNumbers numbers) {
    const long count = shape.outer * shape.inner;
    COMPANION_FOR_FLAT(block, (count + 3) / 4) {
        const Words words = numbers.words(block);
        float normal[4];
        normalPair(uniform(words.word[0]), uniform(words.word[1]), normal[0], normal[1]);
        normalPair(uniform(words.word[2]), uniform(words.word[3]), normal[2], normal[3]);
        for (int i = 0; i < 4 && 4 * block + i < count; i++) {
            const float f = element(shape, stdevs, 4 * block + i);
            element(shape, target, 4 * block + i) += (squared ? f * f : f) * normal[i];
        }
    }
}

}  // namespace

void fillUniform(MemoryShape shape, Operand target, RandomNumbers numbers) {
    if (shape.count() == 0) {
        return;
    }
    kUniform<<<flatGrid((shape.count() + 3) / 4), FLAT_THREADS>>>(shape, target, numbers);
    getLastCudaError("uniform random numbers");
}

void addNormal(MemoryShape shape, Operand target, Operand stdevs, bool squared, RandomNumbers numbers) {
    if (shape.count() == 0) {
        return;
    }
    kNormal<<<flatGrid((shape.count() + 3) / 4), FLAT_THREADS>>>(shape, target, stdevs, squared, numbers);
    getLastCudaError("normal random numbers");
}

}  // namespace companion
