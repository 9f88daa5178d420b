// Image functions and the half quantiser on GPUs.
//
// Checked by tests/conv. Formulas: companion-native section 4.6.
#include "cuda_launch.h"
#include "formulas.h"

#include "../nvmatrix/cuda_scratch.h"

namespace conv_backend {

namespace {

// Images of a side, as what is walked and as what is read.
struct Images {
    const float* data;
    int side, cases;

    template <int N>
    __device__ Lanes<N> load(const Place& p, int y, int x) const {
        return loadLanes<N>(data + ((p.map * side + y) * side + x) * cases + p.i);
    }
};

struct Crop {
    Images images;
    int startY, startX;
    float* target;

    template <int N>
    __device__ void run(const Place& p) const {
        storeLanes(target + p.at, images.load<N>(p, p.y + startY, p.x + startX));
    }
};

struct ResizeBilinear {
    Images images;
    int tgtSize;
    float scale;
    float* target;

    template <int N>
    __device__ void run(const Place& p) const {
        const BilinearTap ty = bilinearTap(p.y, images.side, tgtSize, scale);
        const BilinearTap tx = bilinearTap(p.x, images.side, tgtSize, scale);
        const Lanes<N> v00 = images.load<N>(p, ty.low, tx.low), v01 = images.load<N>(p, ty.low, tx.low + 1);
        const Lanes<N> v10 = images.load<N>(p, ty.low + 1, tx.low), v11 = images.load<N>(p, ty.low + 1, tx.low + 1);
        Lanes<N> result;
#pragma unroll
        for (int l = 0; l < N; l++) result.at[l] = bilinearValue(v00.at[l], v01.at[l], v10.at[l], v11.at[l], tx, ty);
        storeLanes(target + p.at, result);
    }
};

struct ReflectHorizontal {
    Images images;
    float* target;

    template <int N>
    __device__ void run(const Place& p) const {
        storeLanes(target + p.at, images.load<N>(p, p.y, images.side - 1 - p.x));
    }
};

struct BedOfNails {
    Images images;
    int start, stride;
    float* target;
    Scales scales;

    template <int N>
    __device__ void run(const Place& p) const {
        writeLanes(target + p.at, images.load<N>(p, start + p.y * stride, start + p.x * stride), scales);
    }
};

struct BedOfNailsUndo {
    Images grads;
    int start;
    companion::Divisor stride;
    float* target;
    Scales scales;

    // The output that samples `pixel`, or -1.
    __device__ int nail(int pixel) const {
        unsigned int rest;
        const int output = (int)stride((unsigned int)(pixel > start ? pixel - start : 0), rest);
        return pixel >= start && rest == 0 && output < grads.side ? output : -1;
    }

    template <int N>
    __device__ void run(const Place& p) const {
        const int oy = nail(p.y), ox = nail(p.x);
        writeLanes(target + p.at, oy >= 0 && ox >= 0 ? grads.load<N>(p, oy, ox) : allLanes<N>(0), scales);
    }
};

struct GaussianBlur {
    const float* images;
    const float* filter;
    int radius, imgSize, step;
    bool horizontal;
    float* target;
    Scales scales;

    template <int N>
    __device__ void run(const Place& p) const {
        const int centre = horizontal ? p.x : p.y;
        const int first = centre < radius ? -centre : -radius;
        const int last = centre + radius < imgSize ? radius : imgSize - 1 - centre;
        Lanes<N> sum = allLanes<N>(0);
        for (int t = first; t <= last; t++) {
            const Lanes<N> image = loadLanes<N>(images + (p.at + t * step));
            const float weight = filter[t + radius];
#pragma unroll
            for (int l = 0; l < N; l++) sum.at[l] += weight * image.at[l];
        }
        writeLanes(target + p.at, sum, scales);
    }
};

struct Yuv {
    __device__ void operator()(float r, float g, float b, float& y, float& u, float& v) const { yuvOf(r, g, b, y, u, v); }
};

struct Lab {
    bool center;
    __device__ void operator()(float r, float g, float b, float& l, float& a, float& b2) const {
        labOf(r, g, b, center, l, a, b2);
    }
};

// Three colours of a pixel into three others.
template <class Formula>
struct Colours {
    const float* images;
    float* target;
    unsigned int plane;
    Formula formula;

    template <int N>
    __device__ void run(const Place& p) const {
        Lanes<N> first = loadLanes<N>(images + p.at), second = loadLanes<N>(images + plane + p.at);
        Lanes<N> third = loadLanes<N>(images + 2 * plane + p.at);
#pragma unroll
        for (int l = 0; l < N; l++)
            formula(first.at[l], second.at[l], third.at[l], first.at[l], second.at[l], third.at[l]);
        storeLanes(target + p.at, first);
        storeLanes(target + plane + p.at, second);
        storeLanes(target + 2 * plane + p.at, third);
    }
};

template <class Formula>
void colours(const char* what, int pixels, int cases, const float* images, float* target, Formula formula) {
    const unsigned int plane = (unsigned int)pixels * cases;
    const Colours<Formula> body = {images, target, plane, formula};
    forEachPlace(what, Maps{1, 1, pixels, cases}, body, images, target);
}

// The weights of modules and filters are images without height and width, whose cases are filters.
struct LimitLocalWeights {
    float* weights;
    int rows, filters;
    float norm;

    template <int N>
    __device__ void run(const Place& p) const {
        float* const first = weights + p.map * rows * filters + p.i;
        double squares[N] = {};
        for (int r = 0; r < rows; r++) {
            const Lanes<N> weight = loadLanes<N>(first + r * filters);
#pragma unroll
            for (int l = 0; l < N; l++) squares[l] += (double)weight.at[l] * weight.at[l];
        }
        Lanes<N> factor;
        bool limits = false;
#pragma unroll
        for (int l = 0; l < N; l++) {
            const double length = sqrt(squares[l]);
            factor.at[l] = length > norm ? (float)(norm / length) : 1;
            limits |= length > norm;
        }
        if (!limits) return;
        for (int r = 0; r < rows; r++) {
            Lanes<N> weight = loadLanes<N>(first + r * filters);
#pragma unroll
            for (int l = 0; l < N; l++) weight.at[l] *= factor.at[l];
            storeLanes(first + r * filters, weight);
        }
    }
};

// N halves, in the order of memory.
template <int N>
struct alignas(2 * N) Halves {
    uint16_t at[N];
};

struct QuantizeHalf {
    const float* source;
    uint16_t* halves;
    unsigned int count;

    template <int N>
    __device__ void run(const Place& p) const {
        const Lanes<N> values = loadLanes<N>(source + p.at);
        Halves<N> made;
#pragma unroll
        for (int l = 0; l < N; l++) made.at[l] = toHalf(values.at[l]);
        *reinterpret_cast<Halves<N>*>(halves + p.at) = made;
        // The last of an odd number is followed by zero.
        if (p.at + N == count && count % 2 == 1) halves[count] = 0;
    }
};

struct DequantizeHalf {
    const uint16_t* halves;
    float* target;
    Scales scales;

    template <int N>
    __device__ void run(const Place& p) const {
        const Halves<N> given = *reinterpret_cast<const Halves<N>*>(halves + p.at);
        Lanes<N> values;
#pragma unroll
        for (int l = 0; l < N; l++) values.at[l] = fromHalf(given.at[l]);
        writeLanes(target + p.at, values, scales);
    }
};

Maps imagesOf(int channels, int side, int cases) {
    const Maps maps = {channels, side, side, cases};
    return maps;
}

}  // namespace

void crop(int channels, int imgSize, int tgtSize, int startY, int startX, int cases, const float* images,
          float* target) {
    const Crop body = {{images, imgSize, cases}, startY, startX, target};
    forEachPlace("crop", imagesOf(channels, tgtSize, cases), body, images, target);
}

void resizeBilinear(int channels, int imgSize, int tgtSize, float scale, int cases, const float* images,
                    float* target) {
    const ResizeBilinear body = {{images, imgSize, cases}, tgtSize, scale, target};
    forEachPlace("bilinear resize", imagesOf(channels, tgtSize, cases), body, images, target);
}

void reflectHorizontal(int channels, int imgSize, int cases, const float* images, float* target) {
    const ReflectHorizontal body = {{images, imgSize, cases}, target};
    forEachPlace("reflection", imagesOf(channels, imgSize, cases), body, images, target);
}

void bedOfNails(const PoolShape& s, const float* images, float* target, Scales scales) {
    const BedOfNails body = {{images, s.imgSize, s.cases}, s.start, s.stride, target, scales};
    forEachPlace("bed of nails", imagesOf(s.channels, s.outputs, s.cases), body, images, target);
}

void bedOfNailsUndo(const PoolShape& s, const float* grads, float* target, Scales scales) {
    const BedOfNailsUndo body = {
        {grads, s.outputs, s.cases}, s.start, companion::Divisor((unsigned int)s.stride), target, scales};
    forEachPlace("gradient of a bed of nails", imagesOf(s.channels, s.imgSize, s.cases), body, grads, target);
}

void gaussianBlur(int channels, int imgSize, int cases, const float* images, const float* filter, int radius,
                  bool horizontal, float* target, Scales scales) {
    const Maps maps = imagesOf(channels, imgSize, cases);
    if (maps.count() == 0) return;
    const float* source = images;
    if (target == images) {
        // Neighbours would be overwritten while others still read them.
        const size_t bytes = maps.count() * sizeof(float);
        float* const copy = (float*)companion::scratch(bytes);
        checkCudaErrors(cudaMemcpyAsync(copy, images, bytes, cudaMemcpyDefault, 0));
        source = copy;
    }
    const int step = horizontal ? cases : imgSize * cases;
    const GaussianBlur body = {source, filter, radius, imgSize, step, horizontal, target, scales};
    forEachPlace("Gaussian blur", maps, body, source, target);
}

void rgbToYuv(int pixels, int cases, const float* images, float* target) {
    colours("YUV", pixels, cases, images, target, Yuv());
}

void rgbToLab(int pixels, int cases, const float* images, float* target, bool center) {
    colours("Lab", pixels, cases, images, target, Lab{center});
}

void limitLocalWeights(int modules, int rowsPerModule, int filters, float* weights, float norm) {
    const LimitLocalWeights body = {weights, rowsPerModule, filters, norm};
    forEachPlace("norm of local weights", Maps{modules, 1, 1, filters}, body, weights);
}

// Pinned memory is not left to a kernel, which another device's thread would have to wait for: it is copied, and the copy
// has finished when these functions return.
void quantizeHalf(size_t count, const float* source, float* packed) {
    if (count == 0) return;
    const size_t bytes = (count + 1) / 2 * sizeof(float);
    const bool isHost = companion::deviceOf(packed) < 0;
    void* const local = isHost ? companion::scratch(bytes) : packed;
    const QuantizeHalf body = {source, (uint16_t*)local, (unsigned int)count};
    forEachPlace("quantisation to half", Maps{1, 1, 1, (int)count}, body, source, body.halves);
    if (isHost) checkCudaErrors(cudaMemcpy(packed, local, bytes, cudaMemcpyDefault));
}

void dequantizeHalf(size_t count, const float* packed, float* target, Scales scales) {
    if (count == 0) return;
    const size_t bytes = (count + 1) / 2 * sizeof(float);
    const void* local = packed;
    if (companion::deviceOf(packed) < 0) {
        void* const copy = companion::scratch(bytes);
        checkCudaErrors(cudaMemcpy(copy, packed, bytes, cudaMemcpyDefault));
        local = copy;
    }
    const DequantizeHalf body = {(const uint16_t*)local, target, scales};
    forEachPlace("half to single", Maps{1, 1, 1, (int)count}, body, body.halves, target);
}

}  // namespace conv_backend
