// Image functions against direct float64 loops (companion-native 4.6, engine-semantics 2.11).
#include "operands.h"

using namespace check;

namespace {

const Form FORMS[] = {PLAIN, COLUMN_MAJOR, STRIDED, ODD_START};

int at(int c, int y, int x, int side) { return (c * side + y) * side + x; }

}  // namespace

CASE(convCrop_offsets) {
    const int shapes[][6] = {{1, 1, 1, 1, 0, 0}, {3, 2, 5, 3, 1, 2}, {2, 3, 6, 6, 0, 0},
                             {4, 1, 7, 2, 5, 0}, {128, 3, 5, 4, 0, 1}, {129, 1, 4, 3, 1, 1}};
    for (const auto& s : shapes) {
        const int cases = s[0], channels = s[1], img = s[2], tgt = s[3], startY = s[4], startX = s[5];
        const Dense x = random(channels * img * img, cases, 1);
        Dense result(channels * tgt * tgt, cases);
        for (int c = 0; c < channels; c++)
            for (int i = 0; i < tgt; i++)
                for (int j = 0; j < tgt; j++)
                    for (int n = 0; n < cases; n++)
                        result(at(c, i, j, tgt), n) = x(at(c, startY + i, startX + j, img), n);
        for (Form form : FORMS) {
            Held in(x, form);
            overwritesIn(form, result, 0, [&](NVMatrix& target) { convCrop(*in, target, img, tgt, startY, startX); });
        }
    }
}

CASE(convReflectHorizontal_twice) {
    for (int img : {1, 4, 5}) {
        const int cases = img == 5 ? 128 : 3;
        const Dense x = random(3 * img * img, cases, 2);
        Dense result(x.rows, x.cols);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < img; i++)
                for (int j = 0; j < img; j++)
                    for (int n = 0; n < cases; n++) result(at(c, i, img - 1 - j, img), n) = x(at(c, i, j, img), n);
        Held in(x);
        overwrites(result, 0, [&](NVMatrix& target) { convReflectHorizontal(*in, target, img); });
        NVMatrix once, twice;
        convReflectHorizontal(*in, once, img);
        convReflectHorizontal(once, twice, img);
        CHECK_MATRIX(twice, x, 0);
    }
}

CASE(convResizeBilinear_scales) {
    const struct { int img, tgt; float scale; } shapes[] = {{5, 5, 1}, {8, 5, 1.5f}, {5, 9, 0.55f}, {7, 3, 2.2f}, {4, 4, 0.8f}};
    for (const auto& s : shapes) {
        const int channels = 2, cases = s.img % 2 == 0 ? 8 : 3;
        const Dense x = random(channels * s.img * s.img, cases, 3);
        Dense result(channels * s.tgt * s.tgt, cases);
        const double offset = s.img / 2.0 - s.tgt / 2.0 * s.scale;
        const auto source = [&](int t) { return std::min(std::max(t * static_cast<double>(s.scale) + offset, 0.0), s.img - 1.01); };
        for (int c = 0; c < channels; c++)
            for (int i = 0; i < s.tgt; i++)
                for (int j = 0; j < s.tgt; j++)
                    for (int n = 0; n < cases; n++) {
                        const double sy = source(i), sx = source(j);
                        const int y = static_cast<int>(sy), px = static_cast<int>(sx);
                        const double v = sy - y, u = sx - px;
                        result(at(c, i, j, s.tgt), n) =
                            (1 - v) * ((1 - u) * x(at(c, y, px, s.img), n) + u * x(at(c, y, px + 1, s.img), n)) +
                            v * ((1 - u) * x(at(c, y + 1, px, s.img), n) + u * x(at(c, y + 1, px + 1, s.img), n));
                    }
        for (Form form : FORMS) {
            Held in(x, form);
            overwritesIn(form, result, 1e-5, [&](NVMatrix& target) { convResizeBilinear(*in, target, s.img, s.tgt, s.scale); });
        }
    }
}

CASE(convBedOfNails_strides) {
    const int shapes[][3] = {{4, 0, 2}, {5, 0, 2}, {7, 0, 3}, {8, 1, 2}, {3, 1, 5}, {3, 0, 1}};
    for (const auto& s : shapes) {
        const int img = s[0], start = s[1], stride = s[2], channels = 3, cases = img % 2 == 0 ? 128 : 5;
        const int outputs = (img + stride - 1) / stride;
        const Dense x = random(channels * img * img, cases, 4), g = random(channels * outputs * outputs, cases, 5);
        Dense forward(g.rows, cases), back(x.rows, cases);
        for (int c = 0; c < channels; c++)
            for (int i = 0; i < outputs; i++)
                for (int j = 0; j < outputs; j++)
                    for (int n = 0; n < cases; n++) {
                        forward(at(c, i, j, outputs), n) = x(at(c, start + i * stride, start + j * stride, img), n);
                        back(at(c, start + i * stride, start + j * stride, img), n) = g(at(c, i, j, outputs), n);
                    }
        for (Form form : FORMS) {
            Held in(x, form), grads(g, form);
            scalesIn(form, forward, 1e-6, [&](NVMatrix& target, float sT, float sO) {
                convBedOfNails(*in, target, channels, img, start, stride, sT, sO);
            });
            scalesIn(form, back, 1e-6, [&](NVMatrix& target, float sT, float sO) {
                convBedOfNailsUndo(*grads, target, channels, img, start, stride, sT, sO);
            });
        }
    }
}

CASE(convGaussianBlur_axes) {
    for (int radius = 1; radius <= 4; radius++)
        for (int img : {1, 5, 12})
            for (int horizontal = 0; horizontal < 2; horizontal++) {
                const int channels = 2, cases = 300;
                Dense taps(1, 2 * radius + 1);
                for (int t = 0; t <= 2 * radius; t++) taps(0, t) = static_cast<float>(1.0 / (1 + std::abs(t - radius)));
                const Dense x = random(channels * img * img, cases, 6);
                Dense result(x.rows, cases);
                for (int c = 0; c < channels; c++)
                    for (int i = 0; i < img; i++)
                        for (int j = 0; j < img; j++)
                            for (int t = -radius; t <= radius; t++) {
                                const int y = horizontal ? i : i + t, px = horizontal ? j + t : j;
                                if (y < 0 || y >= img || px < 0 || px >= img) continue;
                                for (int n = 0; n < cases; n++)
                                    result(at(c, i, j, img), n) += taps(0, t + radius) * x(at(c, y, px, img), n);
                            }
                Held in(x), filter(taps);
                scales(result, 1e-5, [&](NVMatrix& target, float sT, float sO) {
                    convGaussianBlur(*in, *filter, target, horizontal != 0, channels, sT, sO);
                });
                Held self(x);
                convGaussianBlur(*self, *filter, *self, horizontal != 0, channels, 0, 1);
                CHECK_MATRIX(*self, result, 1e-5);
                Held both(x);
                convGaussianBlur(*both, *filter, *both, horizontal != 0, channels, 1, 1);
                CHECK_MATRIX(*both, combined(x, 1, result, 1), 1e-5);
            }
}

CASE(convRGBToYUV_matrix) {
    const double matrix[3][3] = {{.2126, .7152, .0722}, {-.09991, -.33609, .436}, {.615, -.55861, -.05639}};
    for (int pixels : {1, 9, 5}) {
        const int cases = pixels == 9 ? 128 : 7;
        const Dense x = random(3 * pixels, cases, 7, 0, 1);
        Dense result(x.rows, cases);
        for (int row = 0; row < 3 * pixels; row++)
            for (int k = 0; k < 3; k++)
                for (int n = 0; n < cases; n++)
                    result(row, n) += matrix[row / pixels][k] * x(k * pixels + row % pixels, n);
        for (Form form : FORMS) {
            Held in(x, form);
            overwritesIn(form, result, 1e-6, [&](NVMatrix& target) { convRGBToYUV(*in, target); });
        }
    }
}

CASE(convRGBToLAB_branches) {
    const auto curve = [](double t) { return t > 0.0088564517 ? std::pow(t, 0.3333) : 7.787037 * t + 0.13793103; };
    for (int center = 0; center < 2; center++) {
        // Dark pixels take the straight branch of the curve, bright ones the power.
        const int cases = center ? 8 : 5;
        Dense x = random(3 * 16, cases, 8, 0, 1);
        for (int row = 0; row < 48; row++)
            if (row % 16 < 4)
                for (int n = 0; n < cases; n++) x(row, n) = static_cast<float>(x(row, n) * 0.008);
        Dense result(x.rows, cases);
        for (int p = 0; p < 16; p++)
            for (int n = 0; n < cases; n++) {
                const double r = x(p, n), g = x(16 + p, n), b = x(32 + p, n);
                const double fx = curve(.49 * r + .31 * g + .2 * b), fy = curve(.17697 * r + .8124 * g + .01063 * b);
                const double fz = curve(.01 * g + .99 * b);
                result(p, n) = 116 * fy - 16 - (center ? 50 : 0);
                result(16 + p, n) = 500 * (fx - fy);
                result(32 + p, n) = 200 * (fy - fz);
            }
        Held in(x);
        overwrites(result, 5e-5, [&](NVMatrix& target) { convRGBToLAB(*in, target, center != 0); });
    }
}

CASE(normalizeLocalWeights_norms) {
    for (int filters : {6, 8}) {
        const int modules = 5, rowsPerModule = 7;
        Dense w = random(modules * rowsPerModule, filters, 9);
        for (int r = 0; r < rowsPerModule; r++) w(2 * rowsPerModule + r, 3) = 0;
        Dense result = w;
        const double norm = 1.4;
        int scaled = 0;
        for (int m = 0; m < modules; m++)
            for (int f = 0; f < filters; f++) {
                double squares = 0;
                for (int r = 0; r < rowsPerModule; r++) squares += w(m * rowsPerModule + r, f) * w(m * rowsPerModule + r, f);
                if (std::sqrt(squares) <= norm) continue;
                scaled++;
                for (int r = 0; r < rowsPerModule; r++) result(m * rowsPerModule + r, f) *= norm / std::sqrt(squares);
            }
        CHECK(scaled > 0 && scaled < modules * filters);
        for (Form form : FORMS) {
            Held weights(w, form);
            normalizeLocalWeights(*weights, modules, static_cast<float>(norm));
            CHECK_MATRIX(*weights, result, 1e-6);
        }
    }
}

TEST_MAIN
