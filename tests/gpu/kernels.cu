// Two kernels around the companion's own device code, for pycuda: the random streams and the norm across maps.
#include <formulas.h>
#include <random_stream.h>

// Uniform numbers of blocks firstBlock .. firstBlock + blocks - 1 of a device's stream, four to a block.
extern "C" __global__ void uniformNumbers(float* out, unsigned long long seed, unsigned long long firstBlock,
                                          unsigned int device, unsigned int blocks) {
    const unsigned int block = blockIdx.x * blockDim.x + threadIdx.x;
    if (block >= blocks) return;
    const companion::RandomNumbers numbers = {seed, firstBlock, device};
    const companion::Words words = numbers.words(block);
    for (int i = 0; i < 4; i++) out[4 * block + i] = companion::uniform(words.word[i]);
}

// x and out: (channels, pixels * cases). One thread for each element.
extern "C" __global__ void normAcrossMaps(const float* x, float* out, int channels, int step, int size, float base,
                                          float scale, float power) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= channels * step) return;
    const conv_backend::NormShape shape = {0, channels, 0, 0, size, false};
    const conv_backend::Range maps = shape.forward(at / step, channels);
    float sum = 0;
    for (int map = maps.first; map < maps.last; map++) sum += x[map * step + at % step] * x[map * step + at % step];
    out[at] = x[at] * conv_backend::negativePower(base + scale * sum, power);
}
