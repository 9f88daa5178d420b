// Pooling, normalisation, image functions and the half quantiser over matrices: shapes are checked here, then a back end
// works.
//
// Both flavours compile this file; cpu_*.cpp or cuda_*.cu do the arithmetic. Source: companion-native 4.4 to 4.6; held
// by tests/conv.
#include "matrices.h"

#include <conv_util.cuh>

using namespace conv_backend;

namespace {

int channelsOf(const char* function, const NVMatrix& images, int imgSize) {
    require(imgSize > 0, function, "imgSize", imgSize, 1);
    const long pixels = (long)imgSize * imgSize, rows = images.getNumRows();
    require(rows % pixels == 0, function, "rows of images, in whole maps", rows, rows / pixels * pixels);
    return (int)(rows / pixels);
}

PoolShape poolShape(const char* function, int cases, int channels, int imgSize, int subsX, int startX, int strideX,
                    int outputsX) {
    require(subsX > 0, function, "subsX", subsX, 1);
    require(strideX > 0, function, "strideX", strideX, 1);
    require(outputsX > 0, function, "outputsX", outputsX, 1);
    const PoolShape s = {cases, channels, imgSize, subsX, startX, strideX, outputsX};
    return s;
}

// Square maps; rows of `images` in numFilters of them.
int mapSide(const char* function, const NVMatrix& images, int numFilters) {
    require(numFilters > 0 && images.getNumRows() % numFilters == 0, function, "rows of images left over after maps",
            numFilters > 0 ? images.getNumRows() % numFilters : numFilters, 0);
    return sideOf(function, "pixels of a map", images.getNumRows() / numFilters);
}

NormShape sameMapShape(const char* function, const NVMatrix& images, int numFilters, int sizeX) {
    require(sizeX > 0, function, "sizeX", sizeX, 1);
    const int side = mapSide(function, images, numFilters);
    const NormShape s = {images.getNumCols(), numFilters, side, side * side, sizeX, false};
    return s;
}

NormShape crossMapShape(const char* function, const NVMatrix& images, int numFilters, int sizeF, bool blocked) {
    require(numFilters > 0 && images.getNumRows() % numFilters == 0, function, "rows of images left over after maps",
            numFilters > 0 ? images.getNumRows() % numFilters : numFilters, 0);
    require(sizeF > 0 && sizeF <= numFilters, function, "sizeF, at most the number of maps", sizeF, numFilters);
    const NormShape s = {images.getNumCols(), numFilters, 0, images.getNumRows() / numFilters, sizeF, blocked};
    return s;
}

void sameMapNorm(const char* function, NVMatrix& images, NVMatrix& squares, NVMatrix& denoms, NVMatrix& target,
                 int numFilters, int sizeX, float addScale, float powScale) {
    const NormShape s = sameMapShape(function, images, numFilters, sizeX);
    const long rows = images.getNumRows();
    const Input image(function, "images", images, rows, s.cases);
    const Input square(function, "meanDiffs", squares, rows, s.cases);
    const Output denom(function, denoms, rows, s.cases, 0), out(function, target, rows, s.cases, 0);
    normSameMap(s, image, square, denom, out, addScale, powScale);
}

void sameMapNormUndo(const char* function, NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& inputs, NVMatrix& acts,
                     NVMatrix& target, int numFilters, int sizeX, float addScale, float powScale, Scales scales) {
    const NormShape s = sameMapShape(function, outGrads, numFilters, sizeX);
    const long rows = outGrads.getNumRows();
    const Input grad(function, "outGrads", outGrads, rows, s.cases), denom(function, "denoms", denoms, rows, s.cases);
    const Input input(function, "inputs", inputs, rows, s.cases), act(function, "acts", acts, rows, s.cases);
    const Output out(function, target, rows, s.cases, scales.target);
    normSameMapUndo(s, grad, denom, input, act, out, addScale, powScale, scales);
}

PoolShape nailShape(const char* function, int cases, int numChannels, int imgSize, int startX, int strideX) {
    require(numChannels > 0, function, "numChannels", numChannels, 1);
    require(imgSize > 0, function, "imgSize", imgSize, 1);
    require(strideX > 0, function, "strideX", strideX, 1);
    const int outputs = DIVUP(imgSize, strideX), last = startX + (outputs - 1) * strideX;
    require(startX >= 0, function, "startX", startX, 0);
    require(last < imgSize, function, "last sampled pixel", last, imgSize - 1);
    const PoolShape s = {cases, numChannels, imgSize, 1, startX, strideX, outputs};
    return s;
}

}  // namespace

namespace conv_backend {

namespace {

struct PoolOperands {
    PoolOperands(const char* function, NVMatrix& images, NVMatrix& target, const PoolShape& s)
        : input(function, "images", images, images.getNumRows(), s.cases),
          output(function, target, (long)s.channels * s.outputs * s.outputs, s.cases, 0) {}
    Input input;
    Output output;
};

}  // namespace

PoolCall::PoolCall(const char* function, NVMatrix& images, NVMatrix& target, int numFilters, int subsX, int startX,
                   int strideX, int outputsX)
    : _shape(poolShape(function, images.getNumCols(), numFilters, mapSide(function, images, numFilters), subsX, startX,
                       strideX, outputsX)) {
    PoolOperands* const operands = new PoolOperands(function, images, target, _shape);
    _images = operands->input;
    _target = operands->output;
    _storage = operands;
}

PoolCall::~PoolCall() { delete static_cast<PoolOperands*>(_storage); }

}  // namespace conv_backend

void convLocalAvgUndo(NVMatrix& avgGrads, NVMatrix& target, int subsX, int startX, int strideX, int outputsX, int imgSize,
                      float scaleTargets, float scaleOutput) {
    const char* const function = "convLocalAvgUndo";
    require(imgSize > 0, function, "imgSize", imgSize, 1);
    const int channels = channelsOf(function, avgGrads, outputsX);
    const PoolShape s =
        poolShape(function, avgGrads.getNumCols(), channels, imgSize, subsX, startX, strideX, outputsX);
    const Input grad(function, "avgGrads", avgGrads, avgGrads.getNumRows(), s.cases);
    const Output out(function, target, (long)channels * imgSize * imgSize, s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    poolAvgUndo(s, grad, out, scales);
}

void convLocalMaxUndo(NVMatrix& images, NVMatrix& maxGrads, NVMatrix& maxActs, NVMatrix& target, int subsX, int startX,
                      int strideX, int outputsX, float scaleTargets, float scaleOutput) {
    const char* const function = "convLocalMaxUndo";
    const int channels = channelsOf(function, maxGrads, outputsX);
    const PoolShape s = poolShape(function, images.getNumCols(), channels, mapSide(function, images, channels), subsX,
                                  startX, strideX, outputsX);
    const long outputs = (long)channels * outputsX * outputsX;
    const Input image(function, "images", images, images.getNumRows(), s.cases);
    const Input grad(function, "maxGrads", maxGrads, outputs, s.cases);
    const Input act(function, "maxActs", maxActs, outputs, s.cases);
    const Output out(function, target, images.getNumRows(), s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    poolMaxUndo(s, image, grad, act, out, scales);
}

void convLocalRandomPool(NVMatrix& images, NVMatrix& target, int numFilters, int subsX, int startX, int strideX,
                         int outputsX) {
    const PoolCall call("convLocalRandomPool", images, target, numFilters, subsX, startX, strideX, outputsX);
    NVMatrix uniforms;
    uniforms.resize(target.getNumRows(), target.getNumCols());
    uniforms.randomizeUniform();
    poolRandom(call.shape(), call.images(), uniforms.getDevData(), call.target());
}

void convResponseNorm(NVMatrix& images, NVMatrix& denoms, NVMatrix& target, int numFilters, int sizeX, float addScale,
                      float powScale) {
    sameMapNorm("convResponseNorm", images, images, denoms, target, numFilters, sizeX, addScale, powScale);
}

void convResponseNormUndo(NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& inputs, NVMatrix& acts, NVMatrix& target,
                          int numFilters, int sizeX, float addScale, float powScale, float scaleTargets,
                          float scaleOutput) {
    const Scales scales = {scaleTargets, scaleOutput};
    sameMapNormUndo("convResponseNormUndo", outGrads, denoms, inputs, acts, target, numFilters, sizeX, addScale,
                    powScale, scales);
}

void convContrastNorm(NVMatrix& images, NVMatrix& meanDiffs, NVMatrix& denoms, NVMatrix& target, int numFilters,
                      int sizeX, float addScale, float powScale) {
    sameMapNorm("convContrastNorm", images, meanDiffs, denoms, target, numFilters, sizeX, addScale, powScale);
}

void convContrastNormUndo(NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& meanDiffs, NVMatrix& acts, NVMatrix& target,
                          int numFilters, int sizeX, float addScale, float powScale, float scaleTargets,
                          float scaleOutput) {
    const Scales scales = {scaleTargets, scaleOutput};
    sameMapNormUndo("convContrastNormUndo", outGrads, denoms, meanDiffs, acts, target, numFilters, sizeX, addScale,
                    powScale, scales);
}

void convResponseNormCrossMap(NVMatrix& images, NVMatrix& denoms, NVMatrix& target, int numFilters, int sizeF,
                              float addScale, float powScale, float minDiv, bool blocked) {
    const char* const function = "convResponseNormCrossMap";
    const NormShape s = crossMapShape(function, images, numFilters, sizeF, blocked);
    const long rows = images.getNumRows();
    const Input image(function, "images", images, rows, s.cases);
    const Output denom(function, denoms, rows, s.cases, 0), out(function, target, rows, s.cases, 0);
    normCrossMap(s, image, denom, out, addScale, powScale, minDiv);
}

void convResponseNormCrossMapUndo(NVMatrix& outGrads, NVMatrix& denoms, NVMatrix& inputs, NVMatrix& acts,
                                  NVMatrix& target, int numFilters, int sizeF, float addScale, float powScale,
                                  bool blocked, float scaleTargets, float scaleOutput) {
    const char* const function = "convResponseNormCrossMapUndo";
    const NormShape s = crossMapShape(function, outGrads, numFilters, sizeF, blocked);
    const long rows = outGrads.getNumRows();
    const Input grad(function, "outGrads", outGrads, rows, s.cases), denom(function, "denoms", denoms, rows, s.cases);
    const Input input(function, "inputs", inputs, rows, s.cases), act(function, "acts", acts, rows, s.cases);
    const Output out(function, target, rows, s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    normCrossMapUndo(s, grad, denom, input, act, out, addScale, powScale, scales);
}

void convCrop(NVMatrix& imgs, NVMatrix& target, int imgSize, int tgtSize, int startY, int startX) {
    const char* const function = "convCrop";
    const int channels = channelsOf(function, imgs, imgSize), cases = imgs.getNumCols();
    require(tgtSize > 0 && tgtSize <= imgSize, function, "tgtSize, at most imgSize", tgtSize, imgSize);
    require(startY >= 0 && startY + tgtSize <= imgSize, function, "startY", startY, imgSize - tgtSize);
    require(startX >= 0 && startX + tgtSize <= imgSize, function, "startX", startX, imgSize - tgtSize);
    const Input image(function, "imgs", imgs, imgs.getNumRows(), cases);
    const Output out(function, target, (long)channels * tgtSize * tgtSize, cases, 0);
    crop(channels, imgSize, tgtSize, startY, startX, cases, image, out);
}

void convResizeBilinear(NVMatrix& images, NVMatrix& target, int imgSize, int tgtSize, float scale) {
    const char* const function = "convResizeBilinear";
    const int channels = channelsOf(function, images, imgSize), cases = images.getNumCols();
    require(imgSize > 1, function, "imgSize, to interpolate", imgSize, 2);
    require(tgtSize > 0, function, "tgtSize", tgtSize, 1);
    const Input image(function, "images", images, images.getNumRows(), cases);
    const Output out(function, target, (long)channels * tgtSize * tgtSize, cases, 0);
    resizeBilinear(channels, imgSize, tgtSize, scale, cases, image, out);
}

void convReflectHorizontal(NVMatrix& images, NVMatrix& target, int imgSize) {
    const char* const function = "convReflectHorizontal";
    const int channels = channelsOf(function, images, imgSize), cases = images.getNumCols();
    const Input image(function, "images", images, images.getNumRows(), cases);
    const Output out(function, target, images.getNumRows(), cases, 0);
    reflectHorizontal(channels, imgSize, cases, image, out);
}

void convBedOfNails(NVMatrix& images, NVMatrix& target, int numChannels, int imgSize, int startX, int strideX,
                    float scaleTargets, float scaleOutput) {
    const char* const function = "convBedOfNails";
    const PoolShape s = nailShape(function, images.getNumCols(), numChannels, imgSize, startX, strideX);
    const Input image(function, "images", images, (long)numChannels * imgSize * imgSize, s.cases);
    const Output out(function, target, (long)numChannels * s.outputs * s.outputs, s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    bedOfNails(s, image, out, scales);
}

void convBedOfNailsUndo(NVMatrix& actsGrad, NVMatrix& target, int numChannels, int imgSize, int startX, int strideX,
                        float scaleTargets, float scaleOutput) {
    const char* const function = "convBedOfNailsUndo";
    const PoolShape s = nailShape(function, actsGrad.getNumCols(), numChannels, imgSize, startX, strideX);
    const Input grad(function, "actsGrad", actsGrad, (long)numChannels * s.outputs * s.outputs, s.cases);
    const Output out(function, target, (long)numChannels * imgSize * imgSize, s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    bedOfNailsUndo(s, grad, out, scales);
}

void convGaussianBlur(NVMatrix& images, NVMatrix& filter, NVMatrix& target, bool horiz, int numChannels,
                      float scaleTargets, float scaleOutput) {
    const char* const function = "convGaussianBlur";
    const int imgSize = mapSide(function, images, numChannels), cases = images.getNumCols();
    const int taps = filter.getNumCols();
    require(taps % 2 == 1, function, "taps of the filter, an odd number", taps, taps + 1);
    const Input image(function, "images", images, images.getNumRows(), cases);
    const Input weights(function, "filter", filter, 1, taps);
    const Output out(function, target, images.getNumRows(), cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    gaussianBlur(numChannels, imgSize, cases, image, weights, taps / 2, horiz, out, scales);
}

void convRGBToYUV(NVMatrix& images, NVMatrix& target) {
    const char* const function = "convRGBToYUV";
    const int rows = images.getNumRows(), cases = images.getNumCols();
    require(rows % 3 == 0, function, "rows of images, three colours", rows, rows / 3 * 3);
    const Input image(function, "images", images, rows, cases);
    const Output out(function, target, rows, cases, 0);
    rgbToYuv(rows / 3, cases, image, out);
}

void convRGBToLAB(NVMatrix& images, NVMatrix& target, bool center) {
    const char* const function = "convRGBToLAB";
    const int rows = images.getNumRows(), cases = images.getNumCols();
    require(rows % 3 == 0, function, "rows of images, three colours", rows, rows / 3 * 3);
    const Input image(function, "images", images, rows, cases);
    const Output out(function, target, rows, cases, 0);
    rgbToLab(rows / 3, cases, image, out, center);
}

void convTICA(NVMatrix& images, NVMatrix& target, int numFilters, int sizeX, float scaleTargets, float scaleOutput) {
    const char* const function = "convTICA";
    const NormShape s = sameMapShape(function, images, numFilters, sizeX);
    const Input image(function, "images", images, images.getNumRows(), s.cases);
    const Output out(function, target, images.getNumRows(), s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    tica(s, image, out, scales);
}

void convTICAGrad(NVMatrix& images, NVMatrix& ticas, NVMatrix& target, int numFilters, int sizeX, float scaleTargets,
                  float scaleOutput) {
    const char* const function = "convTICAGrad";
    const NormShape s = sameMapShape(function, images, numFilters, sizeX);
    const Input image(function, "images", images, images.getNumRows(), s.cases);
    const Input tica(function, "ticas", ticas, images.getNumRows(), s.cases);
    const Output out(function, target, images.getNumRows(), s.cases, scaleTargets);
    const Scales scales = {scaleTargets, scaleOutput};
    ticaGrad(s, image, tica, out, scales);
}

void normalizeLocalWeights(NVMatrix& weights, int numModules, float norm) {
    const char* const function = "normalizeLocalWeights";
    require(numModules > 0 && weights.getNumRows() % numModules == 0, function,
            "rows of weights left over after modules", numModules > 0 ? weights.getNumRows() % numModules : numModules,
            0);
    const Output data(function, weights, weights.getNumRows(), weights.getNumCols(), 1);
    limitLocalWeights(numModules, weights.getNumRows() / numModules, weights.getNumCols(), data, norm);
}

void convQuantizeHalf(NVMatrix& src, NVMatrix& tgt) {
    const char* const function = "convQuantizeHalf";
    require(src.isContiguous(), function, "stride of src", src.getStride(), src.getLeadingDim());
    const int count = src.getNumElements();
    tgt.resize(1, DIVUP(count, 2));
    quantizeHalf(count, src.getDevData(), tgt.getDevData());
}

void convDequantizeHalf(NVMatrix& src, NVMatrix& tgt, int numElements, float scaleTargets, float scaleOutput) {
    const char* const function = "convDequantizeHalf";
    require(src.getNumElements() == DIVUP(numElements, 2), function, "elements of src", src.getNumElements(),
            DIVUP(numElements, 2));
    if (tgt.getNumElements() != numElements) {
        require(scaleTargets == 0, function, "elements of tgt", tgt.getNumElements(), numElements);
        tgt.resize(1, numElements);
    }
    require(tgt.isContiguous(), function, "stride of tgt", tgt.getStride(), tgt.getLeadingDim());
    const Scales scales = {scaleTargets, scaleOutput};
    dequantizeHalf(numElements, src.getDevData(), tgt.getDevData(), scales);
}
