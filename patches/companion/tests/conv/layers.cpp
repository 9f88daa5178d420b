// The twelve convolution functions against direct float64 loops (companion-native 4.2): odd sizes, one case, one colour,
// groups, padding, strides, overhanging modules, permuted connections, every storage form, scale rules, partial sums.
#include "direct.h"

using namespace check;

namespace {

const double TOLERANCE = 2e-5;

// cases, imgY, imgX, colors, filters, side, modulesY, modulesX, start, stride, groups, filterColors, connections, local
const std::vector<Layer> DENSE = {
    {"one of everything", 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, {}, false},
    {"one case, one colour", 1, 5, 5, 1, 1, 3, 3, 3, 0, 1, 1, 0, {}, false},
    {"padding, stride 2, overhang", 3, 7, 7, 3, 5, 4, 4, 4, -1, 2, 1, 0, {}, false},
    {"padding 2, stride 4, overhang", 5, 11, 11, 2, 4, 5, 4, 4, -2, 4, 1, 0, {}, false},
    {"groups", 6, 6, 6, 4, 6, 3, 4, 4, 0, 1, 2, 0, {}, false},
    {"groups, stride 2", 6, 9, 9, 6, 9, 3, 4, 4, 0, 2, 3, 0, {}, false},
    {"stride above filter side", 4, 8, 8, 2, 3, 2, 3, 3, 0, 3, 1, 0, {}, false},
    {"filter larger than image", 3, 3, 3, 2, 2, 5, 3, 3, -2, 1, 1, 0, {}, false},
    {"many colours", 7, 5, 5, 17, 9, 3, 5, 5, -1, 1, 1, 0, {}, false},
    {"many colours, overhang", 7, 4, 4, 16, 5, 3, 5, 5, -1, 1, 1, 0, {}, false},
    {"many colours, groups", 5, 5, 5, 36, 8, 3, 5, 5, -1, 1, 2, 0, {}, false},
    {"many colours, tasks by colour", 2, 4, 4, 201, 3, 2, 3, 3, 0, 1, 1, 0, {}, false},
    {"very many colours, groups, overhang", 3, 4, 4, 130, 4, 3, 5, 5, -1, 1, 2, 0, {}, false},
    {"colours in parts, groups, stride 2, overhang", 3, 9, 9, 74, 4, 7, 4, 4, -2, 2, 2, 0, {}, false},
    {"filters of a middle tile", 3, 4, 4, 2, 60, 3, 2, 2, 0, 1, 1, 0, {}, false},
    {"filters of a large tile", 3, 4, 4, 2, 100, 3, 2, 2, 0, 1, 1, 0, {}, false},
    {"colours of a middle tile", 3, 3, 3, 40, 2, 2, 2, 2, 0, 1, 1, 0, {}, false},
    {"more cases than columns", 600, 4, 4, 2, 3, 3, 2, 2, 0, 1, 1, 0, {}, false},
    {"runs of modules", 200, 6, 6, 2, 3, 3, 6, 6, -1, 1, 1, 0, {}, false},
    {"more rows than a block", 2, 8, 8, 12, 3, 7, 4, 4, -1, 1, 1, 0, {}, false},
    // Cases and filters in fours, which GPUs fetch together: every height of tile, in the forward pass and in the gradients.
    {"fours", 4, 5, 5, 3, 8, 3, 3, 3, 0, 1, 1, 0, {}, false},
    {"fours, groups, padding, stride 2, overhang", 12, 7, 7, 8, 16, 3, 4, 4, -1, 2, 2, 0, {}, false},
    {"fours, few filters in a group", 8, 5, 5, 6, 12, 3, 5, 5, -1, 1, 3, 0, {}, false},
    {"fours, 48 filters", 4, 4, 4, 2, 48, 3, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, 64 filters", 4, 4, 4, 2, 64, 3, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, 96 filters, 48 colours", 4, 3, 3, 48, 96, 2, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, 136 filters, 64 colours", 4, 2, 2, 64, 136, 1, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, 4 filters, 90 colours", 4, 3, 3, 90, 4, 2, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, 4 filters, 131 colours", 4, 3, 3, 131, 4, 2, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, more cases than columns", 260, 4, 4, 2, 4, 3, 2, 2, 0, 1, 1, 0, {}, false},
    {"fours, runs of modules", 200, 6, 6, 2, 4, 3, 6, 6, -1, 1, 1, 0, {}, false},
    {"fours, more than one column of windows", 8, 6, 6, 17, 4, 3, 4, 4, 0, 1, 1, 0, {}, false},
    {"not square", 4, 5, 8, 3, 4, 3, 3, 6, 0, 1, 1, 0, {}, false},
    {"not square, stride 2", 4, 9, 6, 3, 4, 3, 5, 3, -1, 2, 1, 0, {}, false},
};

const std::vector<Layer> SPARSE = {
    {"one permutation", 5, 5, 5, 4, 6, 3, 3, 3, 0, 1, 2, 2, {2, 0, 3, 1}, false},
    {"two permutations", 5, 6, 6, 4, 8, 3, 3, 3, -1, 2, 4, 2, {1, 3, 0, 2, 3, 2, 1, 0}, false},
    {"fours, two permutations", 8, 6, 6, 4, 16, 3, 3, 3, -1, 2, 4, 2, {1, 3, 0, 2, 3, 2, 1, 0}, false},
    {"three permutations, one group each", 2, 4, 4, 3, 3, 2, 4, 4, 0, 1, 3, 3, {0, 1, 2, 2, 1, 0, 1, 2, 0}, false},
};

std::vector<Layer> asLocal(std::vector<Layer> layers) {
    for (Layer& l : layers) l.local = true;
    return layers;
}

// Says at its end which layer the failures meanwhile belong to.
class Naming {
public:
    explicit Naming(const Layer& l) : _name(l.name), _before(counts().failures) {}
    ~Naming() {
        if (counts().failures > _before) fprintf(stderr, "... in the layer \"%s\"\n", _name);
    }

private:
    const char* _name;
    long _before;
};

void checkForward(const std::vector<Layer>& layers) {
    for (const Layer& l : layers) {
        const Naming naming(l);
        const Dense images = l.images(1), weights = l.weights(2), result = directFilterActs(l, images, weights);
        const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED};
        for (Form form : forms) {
            Held x(images, form), w(weights, form);
            scalesIn(form, result, TOLERANCE,
                   [&](NVMatrix& target, float sT, float sO) { libraryFilterActs(l, *x, *w, target, sT, sO); });
        }
    }
}

void checkImages(const std::vector<Layer>& layers) {
    for (const Layer& l : layers) {
        const Naming naming(l);
        const Dense hidden = l.hidden(3), weights = l.weights(4), result = directImgActs(l, hidden, weights);
        const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED};
        for (Form form : forms) {
            Held h(hidden, form), w(weights, form);
            scalesIn(form, result, TOLERANCE,
                   [&](NVMatrix& target, float sT, float sO) { libraryImgActs(l, *h, *w, target, sT, sO); });
        }
    }
}

void checkWeights(const std::vector<Layer>& layers) {
    for (const Layer& l : layers) {
        const Naming naming(l);
        const Dense images = l.images(5), hidden = l.hidden(6);
        const Dense result = directWeightActs(l, images, hidden, l.local ? 1 : l.modules());
        const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED};
        for (Form form : forms) {
            Held x(images, form), h(hidden, form);
            scalesIn(form, result, TOLERANCE * 5,
                   [&](NVMatrix& target, float sT, float sO) { libraryWeightActs(l, *x, *h, target, 0, sT, sO); });
        }
    }
}

}  // namespace

CASE(convFilterActs_dense) { checkForward(DENSE); }
CASE(convImgActs_dense) { checkImages(DENSE); }
CASE(convWeightActs_dense) { checkWeights(DENSE); }
CASE(convFilterActsSparse_permutations) { checkForward(SPARSE); }
CASE(convImgActsSparse_permutations) { checkImages(SPARSE); }
CASE(convWeightActsSparse_permutations) { checkWeights(SPARSE); }
CASE(localFilterActs_dense) { checkForward(asLocal(DENSE)); }
CASE(localImgActs_dense) { checkImages(asLocal(DENSE)); }
CASE(localWeightActs_dense) { checkWeights(asLocal(DENSE)); }
CASE(localFilterActsSparse_permutations) { checkForward(asLocal(SPARSE)); }
CASE(localImgActsSparse_permutations) { checkImages(asLocal(SPARSE)); }
CASE(localWeightActsSparse_permutations) { checkWeights(asLocal(SPARSE)); }

CASE(convWeightActs_partialSum_invariance) {
    for (const Layer& l : DENSE) {
        const Naming naming(l);
        const Dense images = l.images(7), hidden = l.hidden(8);
        const Dense total = directWeightActs(l, images, hidden, l.modules());
        Held x(images), h(hidden);
        for (int perSum = 1; perSum <= l.modules(); perSum++) {
            if (l.modules() % perSum != 0) continue;
            const Dense blocks = directWeightActs(l, images, hidden, perSum);
            NVMatrix target;
            libraryWeightActs(l, *x, *h, target, perSum, 0, 1);
            CHECK_MATRIX(target, blocks, TOLERANCE * 5);
            // As the release does: one row per block, added into a gradient that holds something, reshaped back.
            target.reshape(l.modules() / perSum, l.weightRows() * l.filters);
            Held gradient(Dense(l.weightRows(), l.filters, 1));
            (*gradient).addSum(target, 0, 1, 1);
            (*gradient).reshape(l.weightRows(), l.filters);
            CHECK_MATRIX(*gradient, combined(Dense(total.rows, total.cols, 1), 1, total, 1), TOLERANCE * 10);
        }
    }
}

// The derivative of the forward pass in both directions: <out, F(x; w)> = <x, I(out; w)> = <w, W(x, out)>.
CASE(conv_adjoint) {
    for (const std::vector<Layer>& layers : {DENSE, asLocal(DENSE)}) {
        for (const Layer& l : layers) {
            const Naming naming(l);
            const Dense images = l.images(9), weights = l.weights(10), hidden = l.hidden(11);
            Held x(images), w(weights), h(hidden);
            NVMatrix forward, back, gradient;
            libraryFilterActs(l, *x, *w, forward, 0, 1);
            libraryImgActs(l, *h, *w, back, 0, 1);
            libraryWeightActs(l, *x, *h, gradient, 0, 0, 1);
            double products[3] = {0, 0, 0}, size = 0;
            const Dense f = download(forward), b = download(back), g = download(gradient);
            for (size_t i = 0; i < f.at.size(); i++) {
                products[0] += f.at[i] * hidden.at[i];
                size += std::fabs(f.at[i] * hidden.at[i]);
            }
            for (size_t i = 0; i < b.at.size(); i++) products[1] += b.at[i] * images.at[i];
            for (size_t i = 0; i < g.at.size(); i++) products[2] += g.at[i] * weights.at[i];
            CHECK_CLOSE(products[1] / size, products[0] / size, 1e-5);
            CHECK_CLOSE(products[2] / size, products[0] / size, 1e-5);
        }
    }
}

CASE(conv_no_cases) {
    Layer l = DENSE[2];
    l.cases = 0;
    NVMatrix images(l.colors * l.imgY * l.imgX, 0), hidden(l.filters * l.modules(), 0), target;
    Held w(l.weights(1));
    libraryFilterActs(l, images, *w, target, 0, 1);
    CHECK_EQUAL(target.getNumElements(), 0);
    libraryImgActs(l, hidden, *w, target, 0, 1);
    CHECK_EQUAL(target.getNumElements(), 0);
    Held gradient(Dense(l.weightRows(), l.filters, NOT_A_NUMBER));
    libraryWeightActs(l, images, hidden, *gradient, 0, 0, 1);
    CHECK_MATRIX(*gradient, Dense(l.weightRows(), l.filters, 0), 0);
}

TEST_MAIN
