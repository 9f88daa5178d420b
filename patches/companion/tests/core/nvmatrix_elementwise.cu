// NVMatrix: element-by-element operations, functors and broadcasts (companion-native 2.8, 3.1 to 3.3).
#include <nvmatrix_operators.cuh>

#include "views.h"

using check::Dense;
using check::NOT_A_NUMBER;
using check::Shape;
using check::Storage;
using check::Stored;
using check::random;

namespace {

// Shaped like the release's own functors: one with state, one with a virtual operator, a ternary one holding a binary one.
class Affine {
public:
    Affine(float a, float b) : _a(a), _b(b) {}
    __device__ inline float operator()(float x) const { return _a * x + _b; }

private:
    const float _a, _b;
};

class VirtualScale {
public:
    explicit VirtualScale(float a) : _a(a) {}
    virtual __device__ float operator()(float x) const { return _a * x; }

private:
    float _a;
};

class Gradient {
public:
    __device__ inline float operator()(float g, float x) const { return x > 0 ? g : 0; }
};

template <class Op>
class AddGradient {
public:
    explicit AddGradient(Op op) : _op(op) {}
    __device__ inline float operator()(float a, float b, float c) const { return _op(a, b) + c; }

private:
    Op _op;
};

template <class F>
Dense map(const Dense& a, F f) {
    Dense result(a.rows, a.cols);
    for (int i = 0; i < a.rows; i++) {
        for (int j = 0; j < a.cols; j++) {
            result(i, j) = f(i, j, a(i, j));
        }
    }
    return result;
}

}  // namespace

CASE(unary_functor_over_all_storages) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& from : check::STORAGES) {
            for (const Storage& to : check::STORAGES) {
                const Dense a = random(shape.rows, shape.cols, 1);
                Stored source(a, from), target(Dense(shape.rows, shape.cols, NOT_A_NUMBER), to);
                source->apply(Affine(3, 0.5f), *target);
                CHECK(target->isTrans() == to.trans);
                CHECK_MATRIX(*target, map(a, [](int, int, double x) { return 3 * x + 0.5; }), 1e-6);
                CHECK(target.borderIsIntact());
                source->apply(Affine(2, 0));
                CHECK_MATRIX(*source, map(a, [](int, int, double x) { return 2 * x; }), 1e-6);
                CHECK(source.borderIsIntact());
            }
        }
    }
}

CASE(binary_functor_over_all_storages) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& first : check::STORAGES) {
            for (const Storage& second : check::STORAGES) {
                const Dense a = random(shape.rows, shape.cols, 2), b = random(shape.rows, shape.cols, 3);
                Stored x(a, first), y(b, second);
                NVMatrix target;
                x->applyBinary(Gradient(), *y, target);
                const Dense expected = map(a, [&](int i, int j, double g) { return b(i, j) > 0 ? g : 0; });
                CHECK(target.isTrans() == first.trans);
                CHECK_MATRIX(target, expected, 0);
                x->applyBinary(Gradient(), *y);
                CHECK_MATRIX(*x, expected, 0);
                CHECK(x.borderIsIntact());
            }
        }
    }
}

CASE(ternary_functor_over_all_storages) {
    for (const Storage& first : check::STORAGES) {
        for (const Storage& second : check::STORAGES) {
            for (const Storage& to : check::STORAGES) {
                const Dense a = random(33, 21, 4), b = random(33, 21, 5), c = random(33, 21, 6);
                Stored x(a, first), y(b, second), z(c, Storage{first.trans, false}), target(Dense(33, 21, NOT_A_NUMBER), to);
                x->applyTernary(AddGradient<Gradient>(Gradient()), *y, *z, *target);
                CHECK_MATRIX(*target, map(a, [&](int i, int j, double g) { return (b(i, j) > 0 ? g : 0) + c(i, j); }), 1e-6);
            }
        }
    }
}

// Flat, but not from an address that is a multiple of four elements.
CASE(a_run_of_memory_may_start_anywhere) {
    const Dense a = random(9, 7, 21), b = random(8, 7, 22);
    std::unique_ptr<NVMatrix> whole = check::device(a), other = check::device(b);
    std::unique_ptr<NVMatrix> part(&whole->sliceRows(1, 9));
    NVMatrix target;
    part->applyBinary(NVMatrixBinaryOps::WeightedAdd(1, 1), *other, target);
    part->apply(Affine(2, 1));
    const Dense sum = map(b, [&](int i, int j, double x) { return x + a(i + 1, j); });
    CHECK_MATRIX(target, sum, 1e-6);
    const Dense found = check::download(*whole);
    for (int j = 0; j < 7; j++) {
        CHECK_CLOSE(found(0, j), a(0, j), 0);
        CHECK_CLOSE(found(8, j), 2 * a(8, j) + 1, 1e-6);
    }
}

CASE(targets_may_be_operands) {
    const Dense a = random(8, 9, 7), b = random(8, 9, 8), c = random(8, 9, 9);
    const Dense difference = map(a, [&](int i, int j, double x) { return x + 2 * b(i, j); });
    for (int which = 0; which < 3; which++) {
        Stored x(a, Storage{true, false}), y(b, Storage{true, false}), z(c, Storage{true, false});
        NVMatrix& target = which == 0 ? *x : which == 1 ? *y : *z;
        x->applyTernary(AddGradient<Gradient>(Gradient()), *y, *z, target);
        CHECK_MATRIX(target, map(a, [&](int i, int j, double g) { return (b(i, j) > 0 ? g : 0) + c(i, j); }), 1e-6);
    }
    Stored x(a, Storage{false, false}), y(b, Storage{false, false});
    x->add(*y, 1, 2, *y);
    CHECK_MATRIX(*y, difference, 1e-6);
}

CASE(a_virtual_functor_is_called_by_value) {
    const Dense a = random(7, 5, 10);
    Stored x(a, Storage{false, false});
    x->apply(VirtualScale(4));
    CHECK_MATRIX(*x, map(a, [](int, int, double v) { return 4 * v; }), 1e-6);
}

CASE(zero_erases_what_is_not_a_number) {
    Stored x(Dense(40, 3, NOT_A_NUMBER), Storage{false, false});
    x->apply(NVMatrixOps::Zero());
    CHECK_MATRIX(*x, Dense(40, 3, 0), 0);
}

CASE(empty_operands_do_nothing_but_shape_the_target) {
    NVMatrix empty, target(3, 4);
    empty.transpose(true);
    empty.apply(NVMatrixOps::Exp(), target);
    CHECK_EQUAL(target.getNumElements(), 0);
    CHECK(target.isTrans());
    NVMatrix other, third(2, 2);
    empty.applyBinary(NVMatrixBinaryOps::Multiply(), other, third);
    CHECK_EQUAL(third.getNumElements(), 0);
}

CASE(library_functors) {
    const Dense a = random(6, 7, 11, -3, 3), positive = random(6, 7, 12, 0.1, 4);
    const auto unary = [&](const Dense& from, void (*act)(NVMatrix&), double (*plain)(double)) {
        Stored x(from, Storage{false, false});
        act(*x);
        CHECK_MATRIX(*x, map(from, [&](int, int, double v) { return plain(v); }), 2e-6);
    };
    unary(a, [](NVMatrix& x) { x.apply(NVMatrixOps::Exp()); }, [](double v) { return std::exp(v); });
    unary(a, [](NVMatrix& x) { x.apply(NVMatrixOps::Logistic()); }, [](double v) { return 1 / (1 + std::exp(-v)); });
    unary(a, [](NVMatrix& x) { x.apply(NVMatrixOps::Abs()); }, [](double v) { return std::fabs(v); });
    unary(a, [](NVMatrix& x) { x.apply(NVMatrixOps::Square()); }, [](double v) { return v * v; });
    unary(positive, [](NVMatrix& x) { x.apply(NVMatrixOps::Sqrt()); }, [](double v) { return std::sqrt(v); });
    unary(a, [](NVMatrix& x) { x.apply(NVMatrixOps::MultByScalar(2.5f)); }, [](double v) { return 2.5 * v; });
    unary(a, [](NVMatrix& x) { x.smallerThanScalar(0.5f); }, [](double v) { return v < 0.5 ? 1.0 : 0.0; });
    Stored x(a, Storage{false, false}), y(positive, Storage{false, false});
    NVMatrix target;
    x->applyBinary(NVMatrixBinaryOps::WeightedAdd(2, -3), *y, target);
    CHECK_MATRIX(target, map(a, [&](int i, int j, double v) { return 2 * v - 3 * positive(i, j); }), 2e-6);
    x->applyBinary(NVMatrixBinaryOps::Multiply(), *y, target);
    CHECK_MATRIX(target, map(a, [&](int i, int j, double v) { return v * positive(i, j); }), 2e-6);
    x->applyBinary(NVMatrixAggs::Max(), *y, target);
    CHECK_MATRIX(target, map(a, [&](int i, int j, double v) { return std::max(v, positive(i, j)); }), 0);
}

CASE(add_in_its_four_forms) {
    const Dense a = random(19, 23, 13), b = random(19, 23, 14);
    for (const Storage& first : check::STORAGES) {
        for (const Storage& second : check::STORAGES) {
            Stored plain(a, first), scaled(a, first), weighted(a, first), x(a, first), y(b, second);
            NVMatrix target;
            plain->add(*y);
            scaled->add(*y, -1);
            weighted->add(*y, 2, 3);
            x->add(*y, 0.5f, 4, target);
            CHECK_MATRIX(*plain, map(a, [&](int i, int j, double v) { return v + b(i, j); }), 2e-6);
            CHECK_MATRIX(*scaled, map(a, [&](int i, int j, double v) { return v - b(i, j); }), 2e-6);
            CHECK_MATRIX(*weighted, map(a, [&](int i, int j, double v) { return 2 * v + 3 * b(i, j); }), 2e-6);
            CHECK_MATRIX(target, map(a, [&](int i, int j, double v) { return 0.5 * v + 4 * b(i, j); }), 2e-6);
            CHECK(weighted.borderIsIntact());
        }
    }
}

CASE(add_with_scale_zero_does_not_read) {
    const Dense b = random(4, 4, 15);
    for (const Storage& second : check::STORAGES) {
        Stored y(b, second);
        Stored poisoned(Dense(4, 4, NOT_A_NUMBER), Storage{false, false}), other(Dense(2, 9, NOT_A_NUMBER), Storage{true, false});
        Stored view(Dense(4, 4, NOT_A_NUMBER), Storage{false, true});
        NVMatrix empty;
        poisoned->add(*y, 0, 1);
        other->add(*y, 0, 2);
        view->add(*y, 0, 1);
        empty.add(*y, 0, 1);
        CHECK(poisoned->isTrans() == second.trans && other->isTrans() == second.trans && empty.isTrans() == second.trans);
        CHECK(!view->isTrans());
        CHECK_MATRIX(*poisoned, b, 0);
        CHECK_MATRIX(*other, map(b, [](int, int, double v) { return 2 * v; }), 1e-6);
        CHECK_MATRIX(*view, b, 0);
        CHECK(view.borderIsIntact());
        CHECK_MATRIX(empty, b, 0);
    }
}

CASE(scale_and_products_element_by_element) {
    const Dense a = random(12, 5, 16), b = random(12, 5, 17);
    Stored x(a, Storage{true, false}), y(b, Storage{false, false});
    NVMatrix target, product;
    x->scale(3, target);
    x->eltwiseMult(*y, product);
    CHECK_MATRIX(target, map(a, [](int, int, double v) { return 3 * v; }), 1e-6);
    CHECK_MATRIX(product, map(a, [&](int i, int j, double v) { return v * b(i, j); }), 1e-6);
    x->scale(0.25);
    CHECK_MATRIX(*x, map(a, [](int, int, double v) { return v / 4; }), 1e-6);
    y->eltwiseMult(*y);
    CHECK_MATRIX(*y, map(b, [](int, int, double v) { return v * v; }), 1e-6);
}

CASE(vectors_are_repeated_by_shape_not_by_flag) {
    for (const Shape& shape : check::SHAPES) {
        const Dense a = random(shape.rows, shape.cols, 18);
        const Dense row = random(1, shape.cols, 19, 0.5, 2), column = random(shape.rows, 1, 20, 0.5, 2);
        for (const Storage& storage : check::STORAGES) {
            for (bool vectorTrans : {false, true}) {
                Stored across(row, Storage{vectorTrans, false}), down(column, Storage{vectorTrans, false});
                Stored x(a, storage), target(Dense(shape.rows, shape.cols, NOT_A_NUMBER), storage);
                x->addVector(*across, 2, *target);
                CHECK_MATRIX(*target, map(a, [&](int, int j, double v) { return v + 2 * row(0, j); }), 2e-6);
                x->addVector(*down, 2, *target);
                CHECK_MATRIX(*target, map(a, [&](int i, int, double v) { return v + 2 * column(i, 0); }), 2e-6);
                x->eltwiseMultByVector(*across, *target);
                CHECK_MATRIX(*target, map(a, [&](int, int j, double v) { return v * row(0, j); }), 2e-6);
                x->eltwiseDivideByVector(*down, *target);
                CHECK_MATRIX(*target, map(a, [&](int i, int, double v) { return v / column(i, 0); }), 2e-6);
                x->eltwiseMultByVector(*down);
                x->eltwiseDivideByVector(*down);
                x->addVector(*across);
                x->addVector(*across, -1);
                CHECK_MATRIX(*x, a, 4e-6);
                CHECK(x.borderIsIntact() && target.borderIsIntact());
            }
        }
    }
}

CASE(a_vector_of_the_same_shape_is_a_binary_operation) {
    const Dense a = random(1, 6, 21), b = random(1, 6, 22);
    Stored x(a, Storage{false, false}), y(b, Storage{true, false});
    x->addVector(*y);
    CHECK_MATRIX(*x, map(a, [&](int i, int j, double v) { return v + b(i, j); }), 1e-6);
}

CASE(int_and_double_literals_select_one_overload) {
    NVMatrix a(3, 3), b(3, 3), v(1, 3), target;
    a.apply(NVMatrixOps::Zero());
    b.apply(NVMatrixOps::Zero());
    v.apply(NVMatrixOps::Zero());
    const bool accumulated = false;
    a.add(b, accumulated, 1);
    a.add(b, -1, 1.0);
    a.add(b, 0.5, 1, target);
    a.scale(1.0 / 3);
    a.addVector(v, -1);
    a.sum(0, target);
    delete &a.max(0);
    CHECK_CLOSE(a.sum(), 0, 0);
}

TEST_MAIN
