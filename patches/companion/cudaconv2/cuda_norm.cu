// Response and contrast normalisation and TICA on GPUs: every window is summed anew, in ascending order.
//
// Across maps, threads of the sizes in use walk over maps and keep the window in registers, so that each value is made
// once; a result does not depend on where a walk begins. Checked by tests/conv. Formulas: companion-native sections 4.5,
// 4.6.
#include "cuda_launch.h"
#include "formulas.h"

namespace conv_backend {

namespace {

// What a window sums: values of neighbouring cases, and how one of them joins the sum.

struct Squares {
    const float* x;
    template <int N>
    __device__ Lanes<N> load(unsigned int at) const {
        return loadLanes<N>(x + at);
    }
    __device__ float add(float sum, float value) const { return sum + value * value; }
};

struct Values {
    const float* x;
    template <int N>
    __device__ Lanes<N> load(unsigned int at) const {
        return loadLanes<N>(x + at);
    }
    __device__ float add(float sum, float value) const { return sum + value; }
};

// The share of the gradient that reaches other inputs of a window.
struct InnerGradient {
    const float* grads;
    const float* acts;
    const float* denoms;
    float factor;
    template <int N>
    __device__ Lanes<N> load(unsigned int at) const {
        const Lanes<N> grad = loadLanes<N>(grads + at), act = loadLanes<N>(acts + at), denom = loadLanes<N>(denoms + at);
        Lanes<N> share;
#pragma unroll
        for (int l = 0; l < N; l++) share.at[l] = factor * (grad.at[l] * act.at[l] / denom.at[l]);
        return share;
    }
    __device__ float add(float sum, float value) const { return sum + value; }
};

template <int N, class V>
__device__ void addLanes(Lanes<N>& sum, V values, const Lanes<N>& more) {
#pragma unroll
    for (int l = 0; l < N; l++) sum.at[l] = values.add(sum.at[l], more.at[l]);
}

// Which places along an axis form the window of a centre: those from `low` before it, or its block.

struct Around {
    int low, size;
    Around(const NormShape& s, bool isTransposed) : low(isTransposed ? s.size - 1 - s.size / 2 : s.size / 2), size(s.size) {}
    __device__ Range of(int centre, int limit) const {
        const int first = centre - low, last = first + size;
        const Range range = {first > 0 ? first : 0, last < limit ? last : limit};
        return range;
    }
};

struct Block {
    int size;
    companion::Divisor bySize;
    Block(const NormShape& s) : size(s.size), bySize((unsigned int)s.size) {}
    __device__ Range of(int centre, int limit) const {
        const int first = (int)bySize((unsigned int)centre) * size, last = first + size;
        const Range range = {first, last < limit ? last : limit};
        return range;
    }
};

// Windows: the sum of `values` over the window of a place.

struct WithinMap {
    int side, cases;
    Around window;

    template <int N, class V>
    __device__ Lanes<N> sum(V values, const Place& p) const {
        const Range ys = window.of(p.y, side), xs = window.of(p.x, side);
        Lanes<N> sum = allLanes<N>(0);
        for (int y = ys.first; y < ys.last; y++)
            for (int x = xs.first; x < xs.last; x++)
                addLanes(sum, values, values.template load<N>(p.at + ((y - p.y) * side + x - p.x) * cases));
        return sum;
    }
};

template <class Window>
struct AcrossMaps {
    int maps, plane;
    Window window;

    template <int N, class V>
    __device__ Lanes<N> sum(V values, const Place& p) const {
        const Range range = window.of(p.map, maps);
        Lanes<N> sum = allLanes<N>(0);
        for (int f = range.first; f < range.last; f++)
            addLanes(sum, values, values.template load<N>(p.at + (f - p.map) * plane));
        return sum;
    }
};

// What happens to a window's sum.

struct Divide {
    Squares squares;
    const float* numerators;
    float* denoms;
    float* target;
    float base, addScale, powScale;

    __device__ Squares values() const { return squares; }
    template <int N>
    __device__ void end(unsigned int at, const Lanes<N>& sum) const {
        const Lanes<N> numerator = loadLanes<N>(numerators + at);
        Lanes<N> denom, result;
#pragma unroll
        for (int l = 0; l < N; l++) {
            denom.at[l] = base + addScale * sum.at[l];
            result.at[l] = numerator.at[l] * negativePower(denom.at[l], powScale);
        }
        storeLanes(denoms + at, denom);
        storeLanes(target + at, result);
    }
};

struct DivideUndo {
    InnerGradient inner;
    const float* inputs;
    float* target;
    float powScale;
    Scales scales;

    __device__ InnerGradient values() const { return inner; }
    template <int N>
    __device__ void end(unsigned int at, const Lanes<N>& sum) const {
        const Lanes<N> input = loadLanes<N>(inputs + at), grad = loadLanes<N>(inner.grads + at);
        const Lanes<N> denom = loadLanes<N>(inner.denoms + at);
        Lanes<N> result;
#pragma unroll
        for (int l = 0; l < N; l++)
            result.at[l] = input.at[l] * sum.at[l] + grad.at[l] * negativePower(denom.at[l], powScale);
        writeLanes(target + at, result, scales);
    }
};

struct Tica {
    Squares squares;
    float* target;
    Scales scales;

    __device__ Squares values() const { return squares; }
    template <int N>
    __device__ void end(unsigned int at, const Lanes<N>& sum) const {
        Lanes<N> result;
        // The constant is a double literal in 2012, so the sum and quotient are double too.
#pragma unroll
        for (int l = 0; l < N; l++) result.at[l] = (float)(1.0 / (0.001 + sqrtf(sum.at[l])));
        writeLanes(target + at, result, scales);
    }
};

struct TicaGrad {
    Values ticas;
    const float* images;
    float* target;
    Scales scales;

    __device__ Values values() const { return ticas; }
    template <int N>
    __device__ void end(unsigned int at, const Lanes<N>& sum) const {
        Lanes<N> result = loadLanes<N>(images + at);
#pragma unroll
        for (int l = 0; l < N; l++) result.at[l] = -result.at[l] * sum.at[l];
        writeLanes(target + at, result, scales);
    }
};

// One window for each place.
template <class Window, class Ending>
struct Windowed {
    Window window;
    Ending ending;

    template <int N>
    __device__ void run(const Place& p) const {
        ending.end(p.at, window.template sum<N>(ending.values(), p));
    }
};

// Maps that one thread walks over: enough of them that few are read twice, few enough that there are many threads.
const int WALK = 16;

// Windows of SIZE maps from `low` maps before their own; a place's map is the number of the walk.
template <int SIZE, class Ending>
struct Walking {
    int maps, plane, low;
    Ending ending;

    template <int N>
    __device__ void run(const Place& p) const {
        const int first = p.map * WALK, last = first + WALK < maps ? first + WALK : maps;
        const unsigned int position = p.at - p.map * plane;
        const auto values = ending.values();
        Lanes<N> window[SIZE];
#pragma unroll
        for (int k = 0; k < SIZE - 1; k++) window[k + 1] = valueAt<N>(position, first - low + k);
        for (int f = first; f < last; f++) {
#pragma unroll
            for (int k = 0; k < SIZE - 1; k++) window[k] = window[k + 1];
            window[SIZE - 1] = valueAt<N>(position, f - low + SIZE - 1);
            Lanes<N> sum = allLanes<N>(0);
#pragma unroll
            for (int k = 0; k < SIZE; k++) addLanes(sum, values, window[k]);
            ending.end(position + f * plane, sum);
        }
    }

private:
    template <int N>
    __device__ Lanes<N> valueAt(unsigned int position, int f) const {
        return f >= 0 && f < maps ? ending.values().template load<N>(position + f * plane) : allLanes<N>(0);
    }
};

template <class Ending, class... Arrays>
void withinMaps(const char* what, const NormShape& s, bool isTransposed, const Ending& ending, const Arrays*... arrays) {
    const Windowed<WithinMap, Ending> body = {{s.imgSize, s.cases, Around(s, isTransposed)}, ending};
    forEachPlace(what, Maps{s.channels, s.imgSize, s.imgSize, s.cases}, body, arrays...);
}

template <int SIZE, class Ending, class... Arrays>
void walk(const char* what, const NormShape& s, bool isTransposed, const Ending& ending, const Arrays*... arrays) {
    const Walking<SIZE, Ending> body = {s.channels, s.pixels * s.cases, Around(s, isTransposed).low, ending};
    forEachPlace(what, Maps{(s.channels + WALK - 1) / WALK, 1, s.pixels, s.cases}, body, arrays...);
}

template <class Window, class Ending, class... Arrays>
void acrossAny(const char* what, const NormShape& s, Window window, const Ending& ending, const Arrays*... arrays) {
    const Windowed<AcrossMaps<Window>, Ending> body = {{s.channels, s.pixels * s.cases, window}, ending};
    forEachPlace(what, Maps{s.channels, 1, s.pixels, s.cases}, body, arrays...);
}

template <class Ending, class... Arrays>
void acrossMaps(const char* what, const NormShape& s, bool isTransposed, const Ending& ending, const Arrays*... arrays) {
    if (s.blocked) return acrossAny(what, s, Block(s), ending, arrays...);
    if (s.size == 3) return walk<3>(what, s, isTransposed, ending, arrays...);
    if (s.size == 5) return walk<5>(what, s, isTransposed, ending, arrays...);
    if (s.size == 9) return walk<9>(what, s, isTransposed, ending, arrays...);
    acrossAny(what, s, Around(s, isTransposed), ending, arrays...);
}

}  // namespace

void normSameMap(const NormShape& s, const float* numerators, const float* squares, float* denoms, float* target,
                 float addScale, float powScale) {
    const Divide ending = {{squares}, numerators, denoms, target, 1, addScale, powScale};
    withinMaps("normalisation", s, false, ending, squares, numerators, denoms, target);
}

void normSameMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                     const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const DivideUndo ending = {{grads, acts, denoms, -2 * addScale * powScale}, inputs, target, powScale, scales};
    withinMaps("gradient of a normalisation", s, true, ending, grads, acts, denoms, inputs, target);
}

void normCrossMap(const NormShape& s, const float* images, float* denoms, float* target, float addScale,
                  float powScale, float minDiv) {
    const Divide ending = {{images}, images, denoms, target, minDiv, addScale, powScale};
    acrossMaps("normalisation across maps", s, false, ending, images, denoms, target);
}

void normCrossMapUndo(const NormShape& s, const float* grads, const float* denoms, const float* inputs,
                      const float* acts, float* target, float addScale, float powScale, Scales scales) {
    const DivideUndo ending = {{grads, acts, denoms, -2 * addScale * powScale}, inputs, target, powScale, scales};
    acrossMaps("gradient of a normalisation across maps", s, true, ending, grads, acts, denoms, inputs, target);
}

void tica(const NormShape& s, const float* images, float* target, Scales scales) {
    const Tica ending = {{images}, target, scales};
    withinMaps("TICA", s, false, ending, images, target);
}

void ticaGrad(const NormShape& s, const float* images, const float* ticas, float* target, Scales scales) {
    const TicaGrad ending = {{ticas}, images, target, scales};
    withinMaps("gradient of TICA", s, false, ending, images, ticas, target);
}

}  // namespace conv_backend
