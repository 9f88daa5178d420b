// Normalisation and TICA against direct float64 loops (companion-native 4.5, 4.6): even and odd windows, blocks, edges,
// and gradients against central differences of the float64 loops.
#include "operands.h"

using namespace check;

namespace {

struct Norm {
    int cases, maps, img, size;
    bool blocked;
    float scale, power, minDiv;
};

const Norm SAME_MAP[] = {
    {1, 1, 1, 1, false, 0.1f, 0.75f, 1}, {3, 2, 5, 3, false, 0.05f, 0.75f, 1}, {4, 3, 6, 4, false, 0.2f, 0.5f, 1},
    {2, 1, 7, 9, false, 0.3f, 1.0f, 1},  {33, 2, 4, 2, false, 0.4f, 0.6f, 1},  {3, 16, 7, 6, false, 0.01f, 0.75f, 1},
    {128, 2, 5, 3, false, 0.1f, 0.75f, 1},
};

const Norm CROSS_MAP[] = {
    {1, 1, 1, 1, false, 0.1f, 0.75f, 1},   {3, 5, 2, 3, false, 0.2f, 0.75f, 1},  {4, 8, 3, 4, false, 0.3f, 0.5f, 2},
    {33, 7, 2, 7, false, 0.1f, 1.0f, 0.5f}, {3, 16, 3, 5, false, 0.01f, 0.75f, 1}, {2, 6, 2, 2, true, 0.3f, 0.75f, 1},
    {5, 7, 3, 3, true, 0.3f, 0.6f, 0.25f}, {2, 16, 2, 16, true, 0.1f, 0.75f, 1},
    // More maps than one thread walks over, and windows that reach over all.
    {128, 17, 1, 3, false, 0.2f, 0.75f, 1}, {129, 35, 1, 5, false, 0.1f, 0.75f, 1}, {4, 33, 2, 9, false, 0.1f, 0.5f, 2},
    {3, 9, 2, 9, false, 0.1f, 0.75f, 1},
};

int pixels(const Norm& s) { return s.img * s.img; }
int rows(const Norm& s) { return s.maps * pixels(s); }

// Calls visit(centre row, window row) within each map: rows p - size/2 .. + size of both axes.
template <class Visit>
void visitSameMap(const Norm& s, const Visit& visit) {
    const int half = s.size / 2;
    for (int c = 0; c < s.maps; c++)
        for (int y = 0; y < s.img; y++)
            for (int x = 0; x < s.img; x++)
                for (int wy = y - half; wy < y - half + s.size; wy++)
                    for (int wx = x - half; wx < x - half + s.size; wx++)
                        if (wy >= 0 && wy < s.img && wx >= 0 && wx < s.img)
                            visit((c * s.img + y) * s.img + x, (c * s.img + wy) * s.img + wx);
}

template <class Visit>
void visitCrossMap(const Norm& s, const Visit& visit) {
    for (int f = 0; f < s.maps; f++) {
        const int first = s.blocked ? f / s.size * s.size : f - s.size / 2;
        for (int w = first; w < first + s.size; w++)
            for (int p = 0; p < pixels(s); p++)
                if (w >= 0 && w < s.maps) visit(f * pixels(s) + p, w * pixels(s) + p);
    }
}

typedef std::vector<std::pair<int, int>> Pairs;   // (centre, member of its window)

Pairs sameMapPairs(const Norm& s) {
    Pairs pairs;
    visitSameMap(s, [&](int centre, int member) { pairs.push_back(std::make_pair(centre, member)); });
    return pairs;
}

Pairs crossMapPairs(const Norm& s) {
    Pairs pairs;
    visitCrossMap(s, [&](int centre, int member) { pairs.push_back(std::make_pair(centre, member)); });
    return pairs;
}

Dense directDenoms(const Norm& s, const Pairs& pairs, const Dense& squares, double base) {
    Dense d(squares.rows, squares.cols, base);
    for (const auto& pair : pairs)
        for (int n = 0; n < s.cases; n++) d(pair.first, n) += s.scale * squares(pair.second, n) * squares(pair.second, n);
    return d;
}

Dense directNorm(const Norm& s, const Dense& numerators, const Dense& denoms) {
    Dense out = numerators;
    for (size_t i = 0; i < out.at.size(); i++) out.at[i] *= std::pow(denoms.at[i], -static_cast<double>(s.power));
    return out;
}

// The Undo formula, scattered from each centre to the members of its window.
Dense directUndo(const Norm& s, const Pairs& pairs, const Dense& grads, const Dense& denoms, const Dense& inputs,
                 const Dense& acts) {
    Dense sums(grads.rows, grads.cols), out = grads;
    for (const auto& pair : pairs)
        for (int n = 0; n < s.cases; n++)
            sums(pair.second, n) += -2.0 * s.scale * s.power * grads(pair.first, n) * acts(pair.first, n) / denoms(pair.first, n);
    for (size_t i = 0; i < out.at.size(); i++)
        out.at[i] = inputs.at[i] * sums.at[i] + grads.at[i] * std::pow(denoms.at[i], -static_cast<double>(s.power));
    return out;
}

const Form FORMS[] = {PLAIN, COLUMN_MAJOR, STRIDED, ODD_START};

}  // namespace

CASE(convResponseNorm_windows) {
    for (const Norm& s : SAME_MAP) {
        const Dense x = random(rows(s), s.cases, 1, -2, 2), d = directDenoms(s, sameMapPairs(s), x, 1);
        for (Form form : FORMS) {
            Held in(x, form);
            overwritesIn(form, directNorm(s, x, d), 1e-5, [&](NVMatrix& target) {
                NVMatrix denoms;
                convResponseNorm(*in, denoms, target, s.maps, s.size, s.scale, s.power);
                CHECK_MATRIX(denoms, d, 1e-5);
            });
        }
    }
}

CASE(convResponseNormUndo_windows) {
    for (const Norm& s : SAME_MAP) {
        const Pairs pairs = sameMapPairs(s);
        const Dense x = random(rows(s), s.cases, 2, -2, 2), d = directDenoms(s, pairs, x, 1), y = directNorm(s, x, d);
        const Dense g = random(rows(s), s.cases, 3);
        for (Form form : FORMS) {
            Held grads(g, form), denoms(d, form), inputs(x, form), acts(y, form);
            scalesIn(form, directUndo(s, pairs, g, d, x, y), 2e-5, [&](NVMatrix& target, float sT, float sO) {
                convResponseNormUndo(*grads, *denoms, *inputs, *acts, target, s.maps, s.size, s.scale, s.power, sT, sO);
            });
            CHECK_MATRIX(*acts, y, 1e-6);
        }
    }
}

CASE(convContrastNorm_windows) {
    for (const Norm& s : SAME_MAP) {
        const Dense x = random(rows(s), s.cases, 4), diffs = random(rows(s), s.cases, 5);
        const Dense d = directDenoms(s, sameMapPairs(s), diffs, 1);
        for (Form form : FORMS) {
            Held in(x, form), meanDiffs(diffs, form);
            overwritesIn(form, directNorm(s, x, d), 1e-5, [&](NVMatrix& target) {
                NVMatrix denoms;
                convContrastNorm(*in, *meanDiffs, denoms, target, s.maps, s.size, s.scale, s.power);
                CHECK_MATRIX(denoms, d, 1e-5);
            });
        }
    }
}

CASE(convContrastNormUndo_windows) {
    for (const Norm& s : SAME_MAP) {
        const Pairs pairs = sameMapPairs(s);
        const Dense x = random(rows(s), s.cases, 6), diffs = random(rows(s), s.cases, 7), g = random(rows(s), s.cases, 8);
        const Dense d = directDenoms(s, pairs, diffs, 1), y = directNorm(s, x, d);
        Held grads(g), denoms(d), meanDiffs(diffs), acts(y);
        scales(directUndo(s, pairs, g, d, diffs, y), 2e-5, [&](NVMatrix& target, float sT, float sO) {
            convContrastNormUndo(*grads, *denoms, *meanDiffs, *acts, target, s.maps, s.size, s.scale, s.power, sT, sO);
        });
    }
}

CASE(convResponseNormCrossMap_windows) {
    for (const Norm& s : CROSS_MAP) {
        const Dense x = random(rows(s), s.cases, 9, -2, 2), d = directDenoms(s, crossMapPairs(s), x, s.minDiv);
        for (Form form : FORMS) {
            Held in(x, form);
            overwritesIn(form, directNorm(s, x, d), 1e-5, [&](NVMatrix& target) {
                NVMatrix denoms;
                convResponseNormCrossMap(*in, denoms, target, s.maps, s.size, s.scale, s.power, s.minDiv, s.blocked);
                CHECK_MATRIX(denoms, d, 1e-5);
            });
        }
    }
}

CASE(convResponseNormCrossMapUndo_windows) {
    for (const Norm& s : CROSS_MAP) {
        const Pairs pairs = crossMapPairs(s);
        const Dense x = random(rows(s), s.cases, 10, -2, 2), d = directDenoms(s, pairs, x, s.minDiv);
        const Dense y = directNorm(s, x, d), g = random(rows(s), s.cases, 11);
        for (Form form : FORMS) {
            Held grads(g, form), denoms(d, form), inputs(x, form), acts(y, form);
            scalesIn(form, directUndo(s, pairs, g, d, x, y), 2e-5, [&](NVMatrix& target, float sT, float sO) {
                convResponseNormCrossMapUndo(*grads, *denoms, *inputs, *acts, target, s.maps, s.size, s.scale, s.power,
                                             s.blocked, sT, sO);
            });
        }
    }
}

// The Undo functions are the derivatives of the forward formulas: the library's gradient of sum(g * y) against central
// differences of the float64 loops. Even windows tell a window from its transpose.
CASE(norm_undo_is_derivative) {
    for (int across = 0; across < 2; across++) {
        const Norm s = across ? Norm{2, 6, 2, 4, false, 0.3f, 0.75f, 1} : Norm{2, 1, 5, 4, false, 0.3f, 0.75f, 1};
        const Pairs pairs = across ? crossMapPairs(s) : sameMapPairs(s);
        Dense x = random(rows(s), s.cases, 12, -2, 2);
        const Dense g = random(rows(s), s.cases, 13);
        const auto value = [&]() {
            const Dense y = directNorm(s, x, directDenoms(s, pairs, x, 1));
            double sum = 0;
            for (size_t i = 0; i < y.at.size(); i++) sum += y.at[i] * g.at[i];
            return sum;
        };
        Dense expected(x.rows, x.cols);
        for (size_t i = 0; i < x.at.size(); i++) {
            const double kept = x.at[i], step = 1e-5;
            x.at[i] = kept + step;
            const double above = value();
            x.at[i] = kept - step;
            expected.at[i] = (above - value()) / (2 * step);
            x.at[i] = kept;
        }
        Held in(x), grads(g);
        NVMatrix denoms, acts, target;
        if (across) {
            convResponseNormCrossMap(*in, denoms, acts, s.maps, s.size, s.scale, s.power, 1, false);
            convResponseNormCrossMapUndo(*grads, denoms, *in, acts, target, s.maps, s.size, s.scale, s.power, false, 0, 1);
        } else {
            convResponseNorm(*in, denoms, acts, s.maps, s.size, s.scale, s.power);
            convResponseNormUndo(*grads, denoms, *in, acts, target, s.maps, s.size, s.scale, s.power, 0, 1);
        }
        CHECK_MATRIX(target, expected, 1e-5);
    }
}

CASE(convTICA_windows) {
    for (const Norm& s : SAME_MAP) {
        const Dense x = random(rows(s), s.cases, 14, -2, 2);
        Dense result(x.rows, x.cols);
        visitSameMap(s, [&](int centre, int member) {
            for (int n = 0; n < s.cases; n++) result(centre, n) += x(member, n) * x(member, n);
        });
        for (double& v : result.at) v = 1 / (0.001 + std::sqrt(v));
        Held in(x);
        scales(result, 1e-5,
               [&](NVMatrix& target, float sT, float sO) { convTICA(*in, target, s.maps, s.size, sT, sO); });
    }
}

CASE(convTICAGrad_windows) {
    for (const Norm& s : SAME_MAP) {
        const Dense x = random(rows(s), s.cases, 15), t = random(rows(s), s.cases, 16, 0.5, 2);
        Dense result(x.rows, x.cols);
        visitSameMap(s, [&](int centre, int member) {
            for (int n = 0; n < s.cases; n++) result(centre, n) -= x(centre, n) * t(member, n);
        });
        Held in(x), ticas(t);
        scales(result, 2e-5,
               [&](NVMatrix& target, float sT, float sO) { convTICAGrad(*in, *ticas, target, s.maps, s.size, sT, sO); });
    }
}

TEST_MAIN
