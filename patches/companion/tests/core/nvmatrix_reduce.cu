// NVMatrix: sums, maxima and matrix products (companion-native 2.9).
#include "views.h"

using check::Dense;
using check::NOT_A_NUMBER;
using check::Shape;
using check::Storage;
using check::Stored;
using check::random;

namespace {

Dense sumOver(const Dense& a, int axis, double scale = 1) {
    Dense sums(axis == 0 ? 1 : a.rows, axis == 0 ? a.cols : 1);
    for (int i = 0; i < a.rows; i++) {
        for (int j = 0; j < a.cols; j++) {
            sums(axis == 0 ? 0 : i, axis == 0 ? j : 0) += scale * a(i, j);
        }
    }
    return sums;
}

Dense maxOver(const Dense& a, int axis) {
    Dense largest(axis == 0 ? 1 : a.rows, axis == 0 ? a.cols : 1, -1e300);
    for (int i = 0; i < a.rows; i++) {
        for (int j = 0; j < a.cols; j++) {
            double& one = largest(axis == 0 ? 0 : i, axis == 0 ? j : 0);
            one = std::max(one, a(i, j));
        }
    }
    return largest;
}

Dense multiply(const Dense& a, const Dense& b) {
    Dense product(a.rows, b.cols);
    for (int i = 0; i < a.rows; i++) {
        for (int l = 0; l < a.cols; l++) {
            for (int j = 0; j < b.cols; j++) {
                product(i, j) += a(i, l) * b(l, j);
            }
        }
    }
    return product;
}

}  // namespace

CASE(sum_of_all) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& storage : check::STORAGES) {
            const Dense a = random(shape.rows, shape.cols, 1);
            Stored x(a, storage);
            CHECK_CLOSE(x->sum(), sumOver(sumOver(a, 0), 1)(0, 0), 1e-5);
        }
    }
    NVMatrix empty;
    CHECK_CLOSE(empty.sum(), 0, 0);
}

CASE(sum_of_all_does_not_lose_small_numbers) {
    const int n = 1 << 22;
    NVMatrix x(2, n);
    x.apply(NVMatrixOps::Zero());
    x.smallerThanScalar(1);
    x.scale(0.1f);
    // Runs of 16 may be added in single precision; all 8 million would be off by more than a part in a thousand.
    CHECK_CLOSE(x.sum(), 2.0 * n * static_cast<double>(0.1f), 1e-6);
}

CASE(sum_over_an_axis) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& storage : check::STORAGES) {
            for (int axis = 0; axis < 2; axis++) {
                const Dense a = random(shape.rows, shape.cols, 2);
                Stored x(a, storage);
                NVMatrix target(2, 2, !storage.trans);
                x->sum(axis, target);
                CHECK(target.isTrans() == storage.trans);
                CHECK_MATRIX(target, sumOver(a, axis), 2e-5);
                std::unique_ptr<NVMatrix> fresh(&x->sum(axis));
                CHECK(!fresh->isView() && fresh->isTrans() == storage.trans);
                CHECK_MATRIX(*fresh, sumOver(a, axis), 2e-5);
            }
        }
    }
}

CASE(max_over_an_axis_is_exact) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& storage : check::STORAGES) {
            for (int axis = 0; axis < 2; axis++) {
                const Dense a = random(shape.rows, shape.cols, 3, -5, -1);
                Stored x(a, storage);
                std::unique_ptr<NVMatrix> found(&x->max(axis));
                CHECK(found->isTrans() == storage.trans);
                CHECK_MATRIX(*found, maxOver(a, axis), 0);
            }
        }
    }
}

CASE(add_sum_accumulates) {
    for (const Storage& storage : check::STORAGES) {
        for (int axis = 0; axis < 2; axis++) {
            const Dense a = random(65, 33, 4), before = random(axis == 0 ? 1 : 65, axis == 0 ? 33 : 1, 5);
            Dense expected = sumOver(a, axis, 0.25);
            for (size_t e = 0; e < expected.at.size(); e++) {
                expected.at[e] += 0.5 * before.at[e];
            }
            Stored x(a, storage), target(before, Storage{!storage.trans, false});
            target->addSum(*x, axis, 0.5f, 0.25f);
            CHECK(target->isTrans() == storage.trans);
            CHECK_MATRIX(*target, expected, 2e-5);
        }
    }
}

CASE(add_sum_keeps_contents_of_equal_count) {
    const Dense a = random(5, 12, 6), before = random(3, 4, 7);
    Stored parts(a, Storage{false, false}), gradient(before, Storage{false, false});
    gradient->addSum(*parts, 0, 1, 2);
    Dense expected = sumOver(a, 0, 2);
    for (int e = 0; e < 12; e++) {
        expected.at[e] += before.at[e];
    }
    CHECK_MATRIX(*gradient, expected, 1e-5);
    gradient->reshape(3, 4);
    CHECK_EQUAL(gradient->getNumRows(), 3);
}

CASE(add_sum_with_scale_zero_does_not_read) {
    const Dense a = random(6, 7, 8);
    Stored x(a, Storage{true, false}), poisoned(Dense(1, 7, NOT_A_NUMBER), Storage{false, false});
    NVMatrix empty;
    poisoned->addSum(*x, 0, 0, 1);
    empty.addSum(*x, 1, 0, 3);
    CHECK_MATRIX(*poisoned, sumOver(a, 0), 1e-5);
    CHECK_MATRIX(empty, sumOver(a, 1, 3), 1e-5);
}

CASE(long_lines_are_summed_without_drift) {
    NVMatrix x(3, 300001);
    x.apply(NVMatrixOps::Zero());
    x.smallerThanScalar(1);
    x.scale(0.1f);
    std::unique_ptr<NVMatrix> rows(&x.sum(1));
    CHECK_MATRIX(*rows, Dense(3, 1, 300001 * static_cast<double>(0.1f)), 1e-6);
    x.transpose();
    std::unique_ptr<NVMatrix> columns(&x.sum(0));
    CHECK_MATRIX(*columns, Dense(1, 3, 300001 * static_cast<double>(0.1f)), 1e-6);
}

CASE(product_over_all_storages) {
    const int sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {17, 1, 9}, {1, 40, 1}, {33, 20, 65}};
    for (const auto& size : sizes) {
        const Dense a = random(size[0], size[2], 9), b = random(size[2], size[1], 10), c = random(size[0], size[1], 11);
        const Dense product = multiply(a, b);
        for (const Storage& first : check::STORAGES) {
            for (const Storage& second : check::STORAGES) {
                Stored x(a, first), y(b, second);
                NVMatrix fresh;
                fresh.addProduct(*x, *y, 0, 1);
                CHECK(fresh.isTrans());
                CHECK_MATRIX(fresh, product, 1e-5);
                for (const Storage& to : check::STORAGES) {
                    Stored target(c, to);
                    target->addProduct(*x, *y, 0.5f, 2);
                    Dense expected = product;
                    for (size_t e = 0; e < expected.at.size(); e++) {
                        expected.at[e] = 2 * expected.at[e] + 0.5 * c.at[e];
                    }
                    CHECK(target->isTrans() == to.trans);
                    CHECK_MATRIX(*target, expected, 1e-5);
                    CHECK(target.borderIsIntact());
                }
            }
        }
    }
}

CASE(product_with_scale_zero_does_not_read) {
    const Dense a = random(4, 3, 12), b = random(3, 5, 13);
    Stored x(a, Storage{false, false}), y(b, Storage{true, false});
    for (const Storage& to : check::STORAGES) {
        Stored target(Dense(4, 5, NOT_A_NUMBER), to);
        target->addProduct(*x, *y, 0, 1);
        CHECK(target->isTrans() == (to.view ? to.trans : true));
        CHECK_MATRIX(*target, multiply(a, b), 1e-5);
    }
}

CASE(product_of_transposed_views) {
    const Dense a = random(9, 4, 14), v = random(9, 6, 15);
    Stored inputs(a, Storage{true, false}), gradients(v, Storage{true, false});
    std::unique_ptr<NVMatrix> turned(&inputs->getTranspose());
    NVMatrix increments;
    increments.addProduct(*turned, *gradients, 0, 1);
    increments.addProduct(*turned, *gradients, 1, 1);
    Dense expected = multiply(a.transposed(), v);
    for (double& one : expected.at) {
        one *= 2;
    }
    CHECK_MATRIX(increments, expected, 1e-5);
}

CASE(product_large_enough_to_be_cut) {
    const Dense a = random(129, 131, 16), b = random(131, 307, 17);
    for (bool trans : {false, true}) {
        Stored x(a, Storage{trans, false}), y(b, Storage{!trans, false});
        NVMatrix wide, tall;
        wide.addProduct(*x, *y, 0, 1);
        CHECK_MATRIX(wide, multiply(a, b), 1e-5);
        std::unique_ptr<NVMatrix> xt(&x->getTranspose()), yt(&y->getTranspose());
        tall.addProduct(*yt, *xt, 0, 1);
        CHECK_MATRIX(tall, multiply(a, b).transposed(), 1e-5);
    }
}

CASE(product_of_nothing_leaves_the_scaled_target) {
    const Dense c = random(3, 4, 18);
    NVMatrix a(3, 0), b(0, 4);
    Stored target(c, Storage{true, false});
    target->addProduct(a, b, 2, 1);
    Dense expected = c;
    for (double& one : expected.at) {
        one *= 2;
    }
    CHECK_MATRIX(*target, expected, 1e-6);
    NVMatrix fresh;
    fresh.addProduct(a, b, 0, 1);
    CHECK_MATRIX(fresh, Dense(3, 4, 0), 0);
}

TEST_MAIN
