// Plain shape records of the convolution library: what a back end is told about its raw arrays, and nothing else.
//
// Every array is [row][case], cases contiguous. Legend: N cases, C image colours, Cf filter colours, F filters, G groups,
// S filter side, K = S*S taps, M modules. Index rules are those of companion-native sections 4.1 to 4.6.
#ifndef COMPANION_CONV_SHAPES_H
#define COMPANION_CONV_SHAPES_H

#include <cstddef>

// Compiled for the host and, where there is one, for the device.
#ifdef __CUDACC__
#define CONV_BOTH __host__ __device__
#else
#define CONV_BOTH
#endif

namespace conv_backend {

// Half-open range of indices.
struct Range {
    int first;
    int last;
    CONV_BOTH int count() const { return last > first ? last - first : 0; }
};

// The i in [0, count) for which start + i*stride lies in [0, size).
CONV_BOTH inline Range insideRange(int start, int stride, int count, int size) {
    const int first = start >= 0 ? 0 : (-start + stride - 1) / stride;
    const int last = size > start ? (size - start + stride - 1) / stride : 0;
    Range r = {first < count ? first : count, last < count ? last : count};
    if (r.last < r.first) r.last = r.first;
    return r;
}

// A convolution (shared filters) or a locally connected layer (one filter bank per module).
struct ConvShape {
    int cases;
    int imgSizeY, imgSizeX;
    int colors;                // C: colours of one image
    int filters;               // F: of all groups together
    int filterColors;          // Cf: colours one filter sees
    int groups;                // G
    int filterSize;            // S
    int modulesY, modulesX;
    int paddingStart;          // not positive
    int stride;
    bool local;                // filter rows are (module, colour, tap) instead of (colour, tap)
    const int* colorIndices;   // device array of G*Cf colours, or null: dense connectivity

    CONV_BOTH int taps() const { return filterSize * filterSize; }
    CONV_BOTH int imgPixels() const { return imgSizeY * imgSizeX; }
    CONV_BOTH int modules() const { return modulesY * modulesX; }
    CONV_BOTH int filtersPerGroup() const { return filters / groups; }
    CONV_BOTH int groupsPerSample() const { return colorIndices ? colors / filterColors : groups; }
    CONV_BOTH int samples() const { return colorIndices ? groups / groupsPerSample() : 1; }
    CONV_BOTH size_t filterRows() const { return (size_t)filterColors * taps(); }
};

// Square windows over square maps: outputs*outputs windows of `window` pixels from `start`, `stride` apart, clipped.
struct PoolShape {
    int cases;
    int channels;
    int imgSize;
    int window;
    int start;
    int stride;
    int outputs;

    CONV_BOTH Range clipped(int output) const {
        const int low = start + output * stride;
        Range r = {low > 0 ? low : 0, low + window < imgSize ? low + window : imgSize};
        return r;
    }
    // The outputs whose window holds `pixel`; by(n) is n / stride for n that are not negative.
    template <class Quotient>
    CONV_BOTH Range covering(int pixel, Quotient by) const {
        const int offset = pixel - start;
        Range r = {offset < window ? 0 : 1 + (int)by(offset - window), offset < 0 ? 0 : 1 + (int)by(offset)};
        if (r.last > outputs) r.last = outputs;
        if (r.last < r.first) r.last = r.first;
        return r;
    }
    CONV_BOTH Range covering(int pixel) const { return covering(pixel, ByStride{stride}); }

private:
    struct ByStride {
        int stride;
        CONV_BOTH int operator()(int n) const { return n / stride; }
    };
};

// Normalisation within a map (windows over pixels) or across maps (windows over map indices).
struct NormShape {
    int cases;
    int channels;
    int imgSize;               // side; unused across maps
    int pixels;
    int size;
    bool blocked;              // across maps only: windows are fixed blocks of maps

    CONV_BOTH Range forward(int centre, int limit) const {
        if (blocked) return block(centre, limit);
        return clip(centre - size / 2, size, limit);
    }
    CONV_BOTH Range transposed(int centre, int limit) const {
        if (blocked) return block(centre, limit);
        return clip(centre + size / 2 - size + 1, size, limit);
    }

private:
    CONV_BOTH Range block(int centre, int limit) const { return clip(centre / size * size, size, limit); }
    CONV_BOTH static Range clip(int low, int length, int limit) {
        Range r = {low > 0 ? low : 0, low + length < limit ? low + length : limit};
        return r;
    }
};

}  // namespace conv_backend

#endif
