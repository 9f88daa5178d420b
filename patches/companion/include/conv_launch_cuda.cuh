// The one launch of the CUDA flavour's kernels over images: a thread for each element of [map][line][pixel][case], or for
// four neighbouring cases where their number allows it.
#ifndef COMPANION_CONV_LAUNCH_CUDA_CUH
#define COMPANION_CONV_LAUNCH_CUDA_CUH

#include <assert.h>
#include <helper_cuda.h>
#include <nvmatrix_index.cuh>

namespace conv_backend {

using companion::Lanes;
using companion::loadLanes;
using companion::storeLanes;

// An element: its number, and where it lies. With lanes, the first of them.
struct Place {
    unsigned int at;
    unsigned int i;
    int x, y, map;
};

struct Maps {
    int maps, height, width, cases;

    size_t count() const { return (size_t)maps * height * width * cases; }
};

// What turns a thread's number into a place.
class Places {
public:
    Places(const Maps& m, int lanes)
        : _threads((unsigned int)(m.count() / lanes)),
          _lanes(lanes),
          _runs(m.cases / lanes),
          _width(m.width),
          _height(m.height) {}

    unsigned int threads() const { return _threads; }

    __device__ bool has(unsigned int thread) const { return thread < _threads; }
    __device__ Place operator()(unsigned int thread) const {
        unsigned int run, x, y;
        const unsigned int pixel = _runs(thread, run), line = _width(pixel, x), map = _height(line, y);
        const Place place = {thread * _lanes, run * _lanes, (int)x, (int)y, (int)map};
        return place;
    }

private:
    unsigned int _threads;
    unsigned int _lanes;
    companion::Divisor _runs, _width, _height;
};

// Body: `template <int N> __device__ void run(const Place&) const` makes N neighbouring elements.
template <int N, class Body>
__global__ void kImages(Places places, Body body) {
    const unsigned int thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (places.has(thread)) {
        body.template run<N>(places(thread));
    }
}

// `arrays` are all that the body walks case by case.
template <class Body, class... Arrays>
void forEachPlace(const char* what, const Maps& maps, const Body& body, const Arrays*... arrays) {
    if (maps.count() == 0) {
        return;
    }
    // No matrix has more elements, and all that is walked is no larger than one.
    assert(maps.count() <= 0x7fffffff);
    const bool inFours = maps.cases % 4 == 0 && companion::areAligned(arrays...);
    const Places places(maps, inFours ? 4 : 1);
    const unsigned int block = 256, grid = (places.threads() + block - 1) / block;
    if (inFours) {
        kImages<4, Body><<<grid, block>>>(places, body);
    } else {
        kImages<1, Body><<<grid, block>>>(places, body);
    }
    getLastCudaError(what);
}

}  // namespace conv_backend

#endif
