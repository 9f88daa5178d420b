// Image functions and the half quantiser on GPUs: one thread for each element of the result.
//
// Checked by tests/conv. Formulas: companion-native section 4.6.
#include "cuda_launch.h"
#include "formulas.h"

#include "../nvmatrix/cuda_scratch.h"

namespace conv_backend {

namespace {

__device__ size_t elementAt(int channel, int y, int x, int side, int cases, int i) {
    return ((size_t)(channel * side + y) * side + x) * cases + i;
}

__global__ void kCrop(int imgSize, int tgtSize, int startY, int startX, int cases, const float* images, float* target,
                      size_t count) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, cases, tgtSize);
        target[at] = images[elementAt(p.channel, p.y + startY, p.x + startX, imgSize, cases, p.i)];
    }
}

__global__ void kResizeBilinear(int imgSize, int tgtSize, float scale, int cases, const float* images, float* target,
                                size_t count) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, cases, tgtSize);
        const BilinearTap ty = bilinearTap(p.y, imgSize, tgtSize, scale), tx = bilinearTap(p.x, imgSize, tgtSize, scale);
        const float* v00 = images + elementAt(p.channel, ty.low, tx.low, imgSize, cases, p.i);
        const float* v10 = v00 + (size_t)imgSize * cases;
        target[at] = bilinearValue(v00[0], v00[cases], v10[0], v10[cases], tx, ty);
    }
}

__global__ void kReflectHorizontal(int imgSize, int cases, const float* images, float* target, size_t count) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, cases, imgSize);
        target[at] = images[elementAt(p.channel, p.y, imgSize - 1 - p.x, imgSize, cases, p.i)];
    }
}

__global__ void kBedOfNails(PoolShape s, const float* images, float* target, size_t count, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, s.cases, s.outputs);
        const int y = s.start + p.y * s.stride, x = s.start + p.x * s.stride;
        write(target + at, images[elementAt(p.channel, y, x, s.imgSize, s.cases, p.i)], scales);
    }
}

__device__ bool isNail(const PoolShape& s, int pixel) {
    const int offset = pixel - s.start;
    return offset >= 0 && offset % s.stride == 0 && offset / s.stride < s.outputs;
}

__global__ void kBedOfNailsUndo(PoolShape s, const float* grads, float* target, size_t count, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, s.cases, s.imgSize);
        float grad = 0;
        if (isNail(s, p.y) && isNail(s, p.x)) {
            const int oy = (p.y - s.start) / s.stride, ox = (p.x - s.start) / s.stride;
            grad = grads[elementAt(p.channel, oy, ox, s.outputs, s.cases, p.i)];
        }
        write(target + at, grad, scales);
    }
}

__global__ void kGaussianBlur(int imgSize, int cases, const float* images, const float* filter, int radius, int step,
                              bool horizontal, float* target, size_t count, Scales scales) {
    CONV_FOR_EACH(at, count) {
        const Place p = placeOf(at, cases, imgSize);
        const int centre = horizontal ? p.x : p.y;
        const int first = centre < radius ? -centre : -radius;
        const int last = centre + radius < imgSize ? radius : imgSize - 1 - centre;
        float sum = 0;
        for (int t = first; t <= last; t++) sum += filter[t + radius] * images[(ptrdiff_t)at + (ptrdiff_t)t * step];
        write(target + at, sum, scales);
    }
}

__global__ void kRgbToYuv(size_t plane, const float* images, float* target) {
    CONV_FOR_EACH(at, plane) {
        yuvOf(images[at], images[plane + at], images[2 * plane + at], target[at], target[plane + at],
              target[2 * plane + at]);
    }
}

__global__ void kRgbToLab(size_t plane, const float* images, float* target, bool center) {
    CONV_FOR_EACH(at, plane) {
        labOf(images[at], images[plane + at], images[2 * plane + at], center, target[at], target[plane + at],
              target[2 * plane + at]);
    }
}

// One thread for each module and filter.
__global__ void kLimitLocalWeights(int rowsPerModule, int filters, float* weights, float norm, size_t count) {
    CONV_FOR_EACH(at, count) {
        float* const first = weights + at / filters * rowsPerModule * filters + at % filters;
        double squares = 0;
        for (int r = 0; r < rowsPerModule; r++) {
            const double w = first[(size_t)r * filters];
            squares += w * w;
        }
        const double length = sqrt(squares);
        if (length > norm) {
            const float factor = (float)(norm / length);
            for (int r = 0; r < rowsPerModule; r++) first[(size_t)r * filters] *= factor;
        }
    }
}

__global__ void kQuantizeHalf(size_t count, const float* source, uint16_t* halves, size_t padded) {
    CONV_FOR_EACH(at, padded) { halves[at] = at < count ? toHalf(source[at]) : 0; }
}

__global__ void kDequantizeHalf(size_t count, const uint16_t* halves, float* target, Scales scales) {
    CONV_FOR_EACH(at, count) { write(target + at, fromHalf(halves[at]), scales); }
}

size_t imageCount(int channels, int side, int cases) { return (size_t)channels * side * side * cases; }

}  // namespace

void crop(int channels, int imgSize, int tgtSize, int startY, int startX, int cases, const float* images,
          float* target) {
    const size_t count = imageCount(channels, tgtSize, cases);
    if (count == 0) return;
    kCrop<<<elementGrid(count), ELEMENT_THREADS>>>(imgSize, tgtSize, startY, startX, cases, images, target, count);
    getLastCudaError("crop");
}

void resizeBilinear(int channels, int imgSize, int tgtSize, float scale, int cases, const float* images,
                    float* target) {
    const size_t count = imageCount(channels, tgtSize, cases);
    if (count == 0) return;
    kResizeBilinear<<<elementGrid(count), ELEMENT_THREADS>>>(imgSize, tgtSize, scale, cases, images, target, count);
    getLastCudaError("bilinear resize");
}

void reflectHorizontal(int channels, int imgSize, int cases, const float* images, float* target) {
    const size_t count = imageCount(channels, imgSize, cases);
    if (count == 0) return;
    kReflectHorizontal<<<elementGrid(count), ELEMENT_THREADS>>>(imgSize, cases, images, target, count);
    getLastCudaError("reflection");
}

void bedOfNails(const PoolShape& s, const float* images, float* target, Scales scales) {
    const size_t count = imageCount(s.channels, s.outputs, s.cases);
    if (count == 0) return;
    kBedOfNails<<<elementGrid(count), ELEMENT_THREADS>>>(s, images, target, count, scales);
    getLastCudaError("bed of nails");
}

void bedOfNailsUndo(const PoolShape& s, const float* grads, float* target, Scales scales) {
    const size_t count = imageCount(s.channels, s.imgSize, s.cases);
    if (count == 0) return;
    kBedOfNailsUndo<<<elementGrid(count), ELEMENT_THREADS>>>(s, grads, target, count, scales);
    getLastCudaError("gradient of a bed of nails");
}

void gaussianBlur(int channels, int imgSize, int cases, const float* images, const float* filter, int radius,
                  bool horizontal, float* target, Scales scales) {
    const size_t count = imageCount(channels, imgSize, cases);
    if (count == 0) return;
    const float* source = images;
    if (target == images) {
        // Neighbours would be overwritten while others still read them.
        float* const copy = (float*)companion::scratch(count * sizeof(float));
        checkCudaErrors(cudaMemcpy(copy, images, count * sizeof(float), cudaMemcpyDefault));
        source = copy;
    }
    const int step = horizontal ? cases : imgSize * cases;
    kGaussianBlur<<<elementGrid(count), ELEMENT_THREADS>>>(imgSize, cases, source, filter, radius, step, horizontal,
                                                           target, count, scales);
    getLastCudaError("Gaussian blur");
}

void rgbToYuv(int pixels, int cases, const float* images, float* target) {
    const size_t plane = (size_t)pixels * cases;
    if (plane == 0) return;
    kRgbToYuv<<<elementGrid(plane), ELEMENT_THREADS>>>(plane, images, target);
    getLastCudaError("YUV");
}

void rgbToLab(int pixels, int cases, const float* images, float* target, bool center) {
    const size_t plane = (size_t)pixels * cases;
    if (plane == 0) return;
    kRgbToLab<<<elementGrid(plane), ELEMENT_THREADS>>>(plane, images, target, center);
    getLastCudaError("Lab");
}

void limitLocalWeights(int modules, int rowsPerModule, int filters, float* weights, float norm) {
    const size_t count = (size_t)modules * filters;
    if (count == 0) return;
    kLimitLocalWeights<<<elementGrid(count), ELEMENT_THREADS>>>(rowsPerModule, filters, weights, norm, count);
    getLastCudaError("norm of local weights");
}

void quantizeHalf(size_t count, const float* source, float* packed) {
    if (count == 0) return;
    const size_t padded = count + count % 2;
    kQuantizeHalf<<<elementGrid(padded), ELEMENT_THREADS>>>(count, source, reinterpret_cast<uint16_t*>(packed), padded);
    getLastCudaError("quantisation to half");
}

void dequantizeHalf(size_t count, const float* packed, float* target, Scales scales) {
    if (count == 0) return;
    kDequantizeHalf<<<elementGrid(count), ELEMENT_THREADS>>>(count, reinterpret_cast<const uint16_t*>(packed), target,
                                                             scales);
    getLastCudaError("half to single");
}

}  // namespace conv_backend
