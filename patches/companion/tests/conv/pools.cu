// Pooling against direct float64 loops (companion-native 4.4): clipping, overlap, negative starts, ties, random pooling.
#include "operands.h"

#include <set>

using namespace check;

namespace {

struct Pool {
    int cases, channels, img, window, start, stride, outputs;
};

const Pool POOLS[] = {
    {1, 1, 1, 1, 0, 1, 1},  {1, 1, 5, 2, 0, 2, 3},    {3, 2, 7, 3, 0, 2, 3},   {5, 3, 6, 3, 0, 2, 3},
    {4, 2, 8, 3, -1, 2, 4}, {2, 1, 5, 5, -2, 1, 5},   {3, 2, 6, 4, -2, 1, 6},  {3, 2, 9, 2, 1, 2, 4},
    {7, 2, 4, 4, 0, 4, 1},  {300, 1, 5, 3, 0, 2, 2},  {2, 17, 13, 3, 0, 2, 6},
    {128, 3, 7, 3, 0, 2, 3}, {129, 2, 6, 3, -1, 3, 3},
};

bool inside(const Pool& p, int output, int pixel) {
    const int low = p.start + output * p.stride;
    return pixel >= low && pixel < low + p.window;
}

int clippedLength(const Pool& p, int output) {
    int length = 0;
    for (int i = 0; i < p.img; i++) length += inside(p, output, i);
    return length;
}

// Calls visit(input row, output row, clipped window size), pixels of a window row by row.
template <class Visit>
void visitPool(const Pool& p, const Visit& visit) {
    for (int c = 0; c < p.channels; c++)
        for (int oy = 0; oy < p.outputs; oy++)
            for (int ox = 0; ox < p.outputs; ox++)
                for (int y = 0; y < p.img; y++)
                    for (int x = 0; x < p.img; x++)
                        if (inside(p, oy, y) && inside(p, ox, x))
                            visit((c * p.img + y) * p.img + x, (c * p.outputs + oy) * p.outputs + ox,
                                  clippedLength(p, oy) * clippedLength(p, ox));
}

Dense images(const Pool& p, unsigned seed) {
    // Multiples of a quarter: many exact ties, and magnitudes that tie with different signs.
    Dense m = random(p.channels * p.img * p.img, p.cases, seed, -3, 3);
    for (double& x : m.at) x = std::floor(4 * x) / 4;
    return m;
}

Dense outputs(const Pool& p, double value) { return Dense(p.channels * p.outputs * p.outputs, p.cases, value); }

Dense directMax(const Pool& p, const Dense& x) {
    Dense out = outputs(p, -static_cast<double>(2e38f));
    visitPool(p, [&](int in, int o, int) {
        for (int n = 0; n < p.cases; n++) out(o, n) = std::fmax(out(o, n), x(in, n));
    });
    return out;
}

Dense directMaxAbs(const Pool& p, const Dense& x) {
    Dense out = outputs(p, 0);
    visitPool(p, [&](int in, int o, int) {
        for (int n = 0; n < p.cases; n++)
            if (!(std::fabs(out(o, n)) > std::fabs(x(in, n)))) out(o, n) = x(in, n);
    });
    return out;
}

Dense directAvg(const Pool& p, const Dense& x) {
    Dense out = outputs(p, 0);
    visitPool(p, [&](int in, int o, int size) {
        for (int n = 0; n < p.cases; n++) out(o, n) += x(in, n) / size;
    });
    return out;
}

template <class Pooler>
void checkForward(Dense (*direct)(const Pool&, const Dense&), double tolerance) {
    for (const Pool& p : POOLS) {
        const Dense x = images(p, 1), result = direct(p, x);
        const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED, ODD_START};
        for (Form form : forms) {
            Held in(x, form);
            overwritesIn(form, result, tolerance, [&](NVMatrix& target) {
                convLocalPool(*in, target, p.channels, p.window, p.start, p.stride, p.outputs, Pooler());
            });
        }
    }
}

void checkMaxUndo(const Pool& p, const Dense& x, const Dense& pooled) {
    const Dense grads = random(pooled.rows, pooled.cols, 2);
    Dense result(x.rows, x.cols);
    visitPool(p, [&](int in, int o, int) {
        for (int n = 0; n < p.cases; n++)
            if (x(in, n) == pooled(o, n)) result(in, n) += grads(o, n);
    });
    const Form forms[] = {PLAIN, STRIDED, ODD_START};
    for (Form form : forms) {
        Held in(x, form), acts(pooled, form), g(grads, form);
        scalesIn(form, result, 1e-5, [&](NVMatrix& target, float sT, float sO) {
            convLocalMaxUndo(*in, *g, *acts, target, p.window, p.start, p.stride, p.outputs, sT, sO);
        });
    }
}

}  // namespace

CASE(convLocalPool_max) { checkForward<MaxPooler>(directMax, 0); }
CASE(convLocalPool_maxabs) { checkForward<MaxAbsPooler>(directMaxAbs, 0); }
CASE(convLocalPool_avg) { checkForward<AvgPooler>(directAvg, 1e-5); }

CASE(convLocalMaxUndo_ties) {
    for (const Pool& p : POOLS) {
        const Dense x = images(p, 3);
        checkMaxUndo(p, x, directMax(p, x));
        checkMaxUndo(p, x, directMaxAbs(p, x));
    }
}

CASE(convLocalAvgUndo_clipping) {
    for (const Pool& p : POOLS) {
        const Dense grads = random(p.channels * p.outputs * p.outputs, p.cases, 4);
        Dense result(p.channels * p.img * p.img, p.cases);
        visitPool(p, [&](int in, int o, int size) {
            for (int n = 0; n < p.cases; n++) result(in, n) += grads(o, n) / size;
        });
        const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED, ODD_START};
        for (Form form : forms) {
            Held g(grads, form);
            scalesIn(form, result, 1e-5, [&](NVMatrix& target, float sT, float sO) {
                convLocalAvgUndo(*g, target, p.window, p.start, p.stride, p.outputs, p.img, sT, sO);
            });
        }
    }
}

// The same numbers that randomizeUniform would give choose the elements: u takes element ceil(u * size) - 1.
CASE(convLocalRandomPool_stream) {
    for (const Pool& p : POOLS) {
        const Dense x = random(p.channels * p.img * p.img, p.cases, 5);
        NVMatrix uniforms(p.channels * p.outputs * p.outputs, p.cases);
        NVMatrix::initRandom(42);
        uniforms.randomizeUniform();
        const Dense u = download(uniforms);
        std::vector<std::vector<int>> windows(u.rows);
        visitPool(p, [&](int in, int o, int) { windows[o].push_back(in); });
        Dense result(u.rows, u.cols);
        for (int o = 0; o < u.rows; o++)
            for (int n = 0; n < u.cols; n++) {
                const float place = static_cast<float>(u(o, n)) * windows[o].size();
                result(o, n) = x(windows[o][static_cast<size_t>(std::ceil(place)) - 1], n);
            }
        Held in(x);
        overwrites(result, 0, [&](NVMatrix& target) {
            NVMatrix::initRandom(42);
            convLocalRandomPool(*in, target, p.channels, p.window, p.start, p.stride, p.outputs);
        });
    }
}

CASE(convLocalRandomPool_uniform) {
    const Pool p = {20000, 1, 3, 3, 0, 3, 1};
    Dense x(9, p.cases);
    for (int i = 0; i < 9; i++)
        for (int n = 0; n < p.cases; n++) x(i, n) = i;
    Held in(x);
    NVMatrix target;
    NVMatrix::initRandom(7);
    convLocalRandomPool(*in, target, 1, p.window, p.start, p.stride, p.outputs);
    std::vector<double> counts(9, 0);
    const Dense out = download(target);
    for (double value : out.at) counts[static_cast<size_t>(value)]++;
    // Expected 2222 each, standard deviation 44.
    for (double count : counts) CHECK(std::fabs(count - p.cases / 9.0) < 5 * 44.5);
}

// Matrices without cases: targets take their rows and nothing is read or written.
CASE(util_no_cases) {
    NVMatrix images(3 * 25, 0), grads(3 * 4, 0), a, b;
    convLocalPool(images, a, 3, 3, 0, 2, 2, MaxPooler());
    CHECK_EQUAL(a.getNumElements(), 0);
    convLocalMaxUndo(images, grads, a, b, 3, 0, 2, 2, 0, 1);
    convLocalAvgUndo(grads, b, 3, 0, 2, 2, 5, 0, 1);
    convResponseNorm(images, a, b, 3, 3, 1, 0.75f);
    convResponseNormUndo(images, images, images, images, b, 3, 3, 1, 0.75f, 0, 1);
    convResponseNormCrossMap(images, a, b, 3, 3, 1, 0.75f, 1, false);
    convResponseNormCrossMapUndo(images, images, images, images, b, 3, 3, 1, 0.75f, false, 0, 1);
    convTICA(images, b, 3, 3, 0, 1);
    convTICAGrad(images, images, b, 3, 3, 0, 1);
    convCrop(images, b, 5, 3, 1, 1);
    convResizeBilinear(images, b, 5, 3, 1.5f);
    convReflectHorizontal(images, b, 5);
    convBedOfNails(images, b, 3, 5, 0, 2, 0, 1);
    convRGBToYUV(images, b);
    convRGBToLAB(images, b, true);
    Held filter(Dense(1, 3, 1));
    convGaussianBlur(images, *filter, b, true, 3, 0, 1);
    CHECK_EQUAL(b.getNumElements(), 0);
}

TEST_MAIN
