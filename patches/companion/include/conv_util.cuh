// Pooling, normalisation, image functions and the half quantiser over matrices of images (companion-native 4.4 to 4.6).
//
// All matrices are [row][case] with row = (channel * side + y) * side + x; images are square. `target` becomes
// scaleTargets * target + scaleOutput * result; with scaleTargets == 0 it is resized and never read, otherwise its
// dimensions must fit. Column-major or strided operands are accepted and cost a copy. A matrix of the wrong shape ends
// the program with a message that names it. Held by tests/conv.
#ifndef COMPANION_CONV_UTIL_CUH
#define COMPANION_CONV_UTIL_CUH

#include <nvmatrix.cuh>
#include <conv_shapes.h>

// -- poolers: combine(accumulated, value), the value before the first, and what becomes of the accumulated value

class AvgPooler {
public:
    __device__ inline float operator()(float a, float b) const { return a + b; }
    __device__ inline float getBaseValue() const { return 0; }
    __device__ inline float output(float a, int regionSize) const { return a / regionSize; }
};

class MaxPooler {
public:
    // As fmaxf, in a form that vectorises: the accumulated value is never NaN.
    __device__ inline float operator()(float a, float b) const { return b > a ? b : a; }
    __device__ inline float getBaseValue() const { return -2e38f; }
    __device__ inline float output(float a, int) const { return a; }
};

class MaxAbsPooler {
public:
    __device__ inline float operator()(float a, float b) const { return fabsf(a) > fabsf(b) ? a : b; }
    __device__ inline float getBaseValue() const { return 0; }
    __device__ inline float output(float a, int) const { return a; }
};

// -- pooling (4.4)

namespace conv_backend {

// The checked arrays of one forward pooling; `target` is written back, if it has to be, at the end of its life.
class PoolCall {
public:
    PoolCall(const char* function, NVMatrix& images, NVMatrix& target, int numFilters, int subsX, int startX,
             int strideX, int outputsX);
    ~PoolCall();

    PoolCall(const PoolCall&) = delete;
    PoolCall& operator=(const PoolCall&) = delete;

    const PoolShape& shape() const { return _shape; }
    const float* images() const { return _images; }
    float* target() const { return _target; }

private:
    PoolShape _shape;
    const float* _images;
    float* _target;
    void* _storage;
};

}  // namespace conv_backend

#ifdef COMPANION_CPU
#include <conv_pool_cpu.h>
#elif defined(__CUDACC__)
#include <conv_pool_cuda.cuh>
#else
namespace conv_backend {
// The CUDA flavour seen by the host compiler: instantiated by nvcc's units only.
template <class Pooler>
void pool(const PoolShape& s, const float* images, float* target, Pooler pooler);
}  // namespace conv_backend
#endif

// images (numFilters * side^2) x N -> target (numFilters * outputsX^2) x N, always overwritten. The window of an output
// starts at startX + output * strideX on each axis, is subsX long and is clipped to the image.
template <class Pooler>
void convLocalPool(NVMatrix& images, NVMatrix& target, int numFilters, int subsX, int startX, int strideX, int outputsX,
                   Pooler pooler) {
    conv_backend::PoolCall call("convLocalPool", images, target, numFilters, subsX, startX, strideX, outputsX);
    conv_backend::pool(call.shape(), call.images(), call.target(), pooler);
}

void convLocalAvgUndo(NVMatrix& avgGrads, NVMatrix& target, int subsX, int startX, int strideX, int outputsX, int imgSize,
                      float scaleTargets, float scaleOutput);
// Every pixel that equals the pooled value receives the full gradient.
void convLocalMaxUndo(NVMatrix& images, NVMatrix& maxGrads, NVMatrix& maxActs, NVMatrix& target, int subsX, int startX,
                      int strideX, int outputsX, float scaleTargets, float scaleOutput);
// Each output copies one element of its clipped window, uniformly chosen with the device's stream: one uniform number
// per output in memory order (RANDOM.md).
void convLocalRandomPool(NVMatrix& images, NVMatrix& target, int numFilters, int subsX, int startX, int strideX,
                         int outputsX);

// -- normalisation (4.5); the Undo functions leave `acts` as they are

void convResponseNorm(NVMatrix& images, NVMatrix& denoms, NVMatrix& target, int numFilters, int sizeX, float addScale,
                      float powScale);
void convResponseNormUndo(NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& inputs, NVMatrix& acts, NVMatrix& target,
                          int numFilters, int sizeX, float addScale, float powScale, float scaleTargets,
                          float scaleOutput);
void convContrastNorm(NVMatrix& images, NVMatrix& meanDiffs, NVMatrix& denoms, NVMatrix& target, int numFilters,
                      int sizeX, float addScale, float powScale);
void convContrastNormUndo(NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& meanDiffs, NVMatrix& acts, NVMatrix& target,
                          int numFilters, int sizeX, float addScale, float powScale, float scaleTargets,
                          float scaleOutput);
void convResponseNormCrossMap(NVMatrix& images, NVMatrix& denoms, NVMatrix& target, int numFilters, int sizeF,
                              float addScale, float powScale, float minDiv, bool blocked);
void convResponseNormCrossMapUndo(NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& inputs, NVMatrix& acts,
                                  NVMatrix& target, int numFilters, int sizeF, float addScale, float powScale,
                                  bool blocked, float scaleTargets, float scaleOutput);

// -- images (4.6)

void convCrop(NVMatrix& imgs, NVMatrix& target, int imgSize, int tgtSize, int startY, int startX);
void convResizeBilinear(NVMatrix& images, NVMatrix& target, int imgSize, int tgtSize, float scale);
void convReflectHorizontal(NVMatrix& images, NVMatrix& target, int imgSize);
void convBedOfNails(NVMatrix& images, NVMatrix& target, int numChannels, int imgSize, int startX, int strideX,
                    float scaleTargets, float scaleOutput);
void convBedOfNailsUndo(NVMatrix& actsGrad, NVMatrix& target, int numChannels, int imgSize, int startX, int strideX,
                        float scaleTargets, float scaleOutput);
// filter 1 x (2 * radius + 1); pixels outside count as zero; target may be images.
void convGaussianBlur(NVMatrix& images, NVMatrix& filter, NVMatrix& target, bool horiz, int numChannels,
                      float scaleTargets, float scaleOutput);
void convRGBToYUV(NVMatrix& images, NVMatrix& target);
void convRGBToLAB(NVMatrix& images, NVMatrix& target, bool center);
void convTICA(NVMatrix& images, NVMatrix& target, int numFilters, int sizeX, float scaleTargets, float scaleOutput);
void convTICAGrad(NVMatrix& images, NVMatrix& ticas, NVMatrix& target, int numFilters, int sizeX, float scaleTargets,
                  float scaleOutput);
// weights (numModules * w) x F: the w weights of a module and filter are scaled down to the 2-norm `norm` if it is more.
void normalizeLocalWeights(NVMatrix& weights, int numModules, float norm);

// tgt becomes 1 x ceil(n / 2) floats that hold the n values as IEEE binary16, in memory order.
void convQuantizeHalf(NVMatrix& src, NVMatrix& tgt);
// Linear memory; with scaleTargets == 0 tgt becomes 1 x numElements unless it has that many elements.
void convDequantizeHalf(NVMatrix& src, NVMatrix& tgt, int numElements, float scaleTargets, float scaleOutput);

#endif
