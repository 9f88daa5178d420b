// What a back end (cpu_*.cpp or cuda_*.cu) supplies to the matrix-facing functions: the same work over raw arrays.
//
// Callers have checked every shape; arrays are dense, [row][case]. In all functions `target = scaleTarget * target +
// scaleOutput * result`, and scaleTarget == 0 means that the target is never read (it may hold NaN). Results do not
// depend on the number of threads. Formulas: companion-native sections 4.2 to 4.6.
#ifndef COMPANION_CONV_BACKEND_H
#define COMPANION_CONV_BACKEND_H

#include <conv_shapes.h>

namespace conv_backend {

struct Scales {
    float target;
    float output;
};

// Section 4.2.
void filterActs(const ConvShape& s, const float* images, const float* filters, float* targets, Scales scales);
void imgActs(const ConvShape& s, const float* hidActs, const float* filters, float* targets, Scales scales);
// One result block for each run of `modulesPerSum` modules; with local filters that is 1.
void weightActs(const ConvShape& s, const float* images, const float* hidActs, float* targets, int modulesPerSum,
                Scales scales);

// Section 4.4; the forward pooling is a template in conv_util.cuh.
void poolAvgUndo(const PoolShape& s, const float* grads, float* target, Scales scales);
void poolMaxUndo(const PoolShape& s, const float* images, const float* grads, const float* acts, float* target,
                 Scales scales);
// `uniforms` holds one number on (0, 1] for each output, in memory order.
void poolRandom(const PoolShape& s, const float* images, const float* uniforms, float* target);

// Section 4.5. `numerators` are the values that the power multiplies (images); `squares` those that are summed.
void normSameMap(const NormShape& s, const float* numerators, const float* squares, float* denoms, float* target,
                 float addScale, float powScale);
void normSameMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                     const float* acts, float* target, float addScale, float powScale, Scales scales);
void normCrossMap(const NormShape& s, const float* images, float* denoms, float* target, float addScale,
                  float powScale, float minDiv);
void normCrossMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                      const float* acts, float* target, float addScale, float powScale, Scales scales);

// Section 4.6.
void crop(int channels, int imgSize, int tgtSize, int startY, int startX, int cases, const float* images, float* target);
void resizeBilinear(int channels, int imgSize, int tgtSize, float scale, int cases, const float* images,
                    float* target);
void reflectHorizontal(int channels, int imgSize, int cases, const float* images, float* target);
void bedOfNails(const PoolShape& s, const float* images, float* target, Scales scales);
void bedOfNailsUndo(const PoolShape& s, const float* grads, float* target, Scales scales);
// `target` may be `images`.
void gaussianBlur(int channels, int imgSize, int cases, const float* images, const float* filter, int radius,
                  bool horizontal, float* target, Scales scales);
void rgbToYuv(int pixels, int cases, const float* images, float* target);
void rgbToLab(int pixels, int cases, const float* images, float* target, bool center);
void tica(const NormShape& s, const float* images, float* target, Scales scales);
void ticaGrad(const NormShape& s, const float* images, const float* ticas, float* target, Scales scales);
void limitLocalWeights(int modules, int rowsPerModule, int filters, float* weights, float norm);
void quantizeHalf(size_t count, const float* source, float* packed);
void dequantizeHalf(size_t count, const float* packed, float* target, Scales scales);

}  // namespace conv_backend

#endif
