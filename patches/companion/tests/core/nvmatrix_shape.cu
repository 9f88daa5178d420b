// NVMatrix: storage, queries, resizing, transposing and views (companion-native 2.1 to 2.6).
#include "views.h"

using check::Dense;
using check::Shape;
using check::Storage;
using check::Stored;
using check::download;
using check::random;
using check::upload;
using std::unique_ptr;

CASE(default_is_empty_owning_and_contiguous) {
    NVMatrix m;
    CHECK_EQUAL(m.getNumRows(), 0);
    CHECK_EQUAL(m.getNumCols(), 0);
    CHECK_EQUAL(m.getNumElements(), 0);
    CHECK(!m.isTrans());
    CHECK(!m.isView());
    CHECK(m.isContiguous());
    CHECK(m.getDevData() == nullptr);
}

CASE(copy_constructor_takes_shape_and_flag_but_no_view) {
    Stored a(random(4, 6, 1), Storage{true, false});
    NVMatrix like(*a);
    CHECK_EQUAL(like.getNumRows(), 4);
    CHECK_EQUAL(like.getNumCols(), 6);
    CHECK(like.isTrans() && !like.isView() && like.isContiguous());
    CHECK(like.getDevData() != a->getDevData());
}

CASE(constructor_from_host_matrix) {
    Matrix host(2, 3);
    host.setTrans(true);
    for (int i = 0; i < 6; i++) {
        host.getData()[i] = static_cast<float>(i);
    }
    NVMatrix copied(host, true), shaped(host, false);
    CHECK(copied.isTrans() && shaped.isTrans());
    CHECK(shaped.isSameDims(copied));
    Dense expected(2, 3);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            expected(i, j) = j * 2 + i;
        }
    }
    CHECK_MATRIX(copied, expected, 0);
}

CASE(dimensions_follow_the_flag) {
    for (bool trans : {false, true}) {
        NVMatrix m(3, 5, trans);
        CHECK_EQUAL(m.getLeadingDim(), trans ? 3 : 5);
        CHECK_EQUAL(m.getFollowingDim(), trans ? 5 : 3);
        CHECK_EQUAL(m.getStride(), m.getLeadingDim());
        CHECK_EQUAL(m.getNumElements(), 15);
    }
}

CASE(same_dims_ignores_the_flag) {
    NVMatrix a(3, 5, false), b(3, 5, true), c(5, 3, false);
    CHECK(a.isSameDims(b));
    CHECK(!a.isSameDims(c));
}

CASE(resize_keeps_contents_when_the_count_stays) {
    const Dense values = random(4, 6, 2);
    Stored a(values, Storage{false, false});
    float* const before = a->getDevData();
    CHECK(a->resize(8, 3));
    CHECK(a->getDevData() == before);
    CHECK(!a->resize(8, 3));
    CHECK(a->resize(4, 6));
    CHECK_MATRIX(*a, values, 0);
    CHECK(a->resize(5, 6));
    CHECK_EQUAL(a->getNumElements(), 30);
    CHECK(a->isContiguous());
}

CASE(resize_keeps_the_flag_even_of_an_empty_matrix) {
    NVMatrix m;
    m.transpose(true);
    CHECK(m.isTrans());
    m.resize(3, 2);
    CHECK(m.isTrans());
    CHECK_EQUAL(m.getStride(), 3);
    m.truncate();
    CHECK(m.isTrans());
    CHECK_EQUAL(m.getNumElements(), 0);
    CHECK(m.getDevData() == nullptr);
    CHECK(m.isContiguous());
}

CASE(resize_like_takes_flag_and_dims) {
    NVMatrix a(3, 5, true), b(2, 2, false);
    b.resize(a);
    CHECK(b.isTrans() && b.isSameDims(a));
    CHECK(!a.resize(a));
    CHECK(a.isTrans());
}

CASE(resize_of_a_contiguous_view_may_keep_its_count) {
    const Dense values = random(6, 4, 3);
    Stored a(values, Storage{false, false});
    unique_ptr<NVMatrix> rows(&a->sliceRows(1, 4));
    CHECK(rows->resize(4, 3));
    CHECK(rows->isView());
    CHECK(!rows->resize(4, 3));
    rows->reshape(1, 12);
    CHECK_CLOSE(download(*rows)(0, 5), values(2, 1), 0);
}

CASE(reshape_reads_the_same_memory) {
    for (bool trans : {false, true}) {
        const Dense values = random(4, 6, 4);
        Stored a(values, Storage{trans, false});
        a->reshape(3, 8);
        CHECK_EQUAL(a->getStride(), trans ? 3 : 8);
        CHECK(a->isTrans() == trans);
        const Dense found = download(*a);
        const int e = 13;
        CHECK_CLOSE(trans ? found(e % 3, e / 3) : found(e / 8, e % 8), trans ? values(e % 4, e / 4) : values(e / 6, e % 6), 0);
    }
}

CASE(set_trans_reinterprets_memory) {
    const Dense values = random(2, 3, 5);
    Stored a(values, Storage{false, false});
    a->setTrans(true);
    CHECK_EQUAL(a->getNumRows(), 2);
    CHECK_EQUAL(a->getStride(), 2);
    const Dense found = download(*a);
    for (int e = 0; e < 6; e++) {
        CHECK_CLOSE(found(e % 2, e / 2), values(e / 3, e % 3), 0);
    }
}

CASE(soft_transpose_moves_nothing) {
    for (const Storage& storage : check::STORAGES) {
        const Dense values = random(5, 3, 6);
        Stored a(values, storage);
        float* const before = a->getDevData();
        a->transpose();
        CHECK(a->isTrans() != storage.trans);
        CHECK(a->getDevData() == before);
        CHECK_MATRIX(*a, values.transposed(), 0);
        const bool old = a->transpose(storage.trans);
        CHECK(old != storage.trans);
        CHECK_MATRIX(*a, values, 0);
        CHECK(a->transpose(storage.trans) == storage.trans);
        CHECK_MATRIX(*a, values, 0);
    }
}

CASE(hard_transpose_keeps_the_flag) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& storage : check::STORAGES) {
            const Dense values = random(shape.rows, shape.cols, 7);
            Stored a(values, storage);
            NVMatrix target(2, 2, !storage.trans);
            a->transpose(target);
            CHECK(target.isTrans() == storage.trans);
            CHECK(target.isContiguous() && !target.isView());
            CHECK_MATRIX(target, values.transposed(), 0);
        }
    }
}

CASE(flip_trans_keeps_the_elements) {
    for (const Shape& shape : check::SHAPES) {
        for (const Storage& storage : check::STORAGES) {
            const Dense values = random(shape.rows, shape.cols, 8);
            Stored a(values, storage);
            NVMatrix target;
            a->flipTrans(target);
            CHECK(target.isTrans() != storage.trans);
            CHECK_MATRIX(target, values, 0);
        }
    }
}

CASE(transposes_of_empty_matrices) {
    NVMatrix a, target(3, 3);
    a.transpose();
    CHECK(a.isTrans());
    a.transpose(target);
    CHECK_EQUAL(target.getNumElements(), 0);
    CHECK(target.isTrans());
    a.flipTrans(target);
    CHECK(!target.isTrans());
    unique_ptr<NVMatrix> view(&a.getTranspose());
    CHECK(view->isView() && !view->isTrans());
}

CASE(views_share_memory_and_free_nothing) {
    for (bool trans : {false, true}) {
        const Dense values = random(5, 8, 9);
        Stored a(values, Storage{trans, false});
        unique_ptr<NVMatrix> clone(&a->getClone()), turned(&a->getTranspose());
        CHECK(clone->isView() && turned->isView());
        CHECK(clone->getDevData() == a->getDevData() && clone->isTrans() == trans);
        CHECK(turned->isTrans() != trans);
        CHECK_MATRIX(*clone, values, 0);
        CHECK_MATRIX(*turned, values.transposed(), 0);
        clone.reset();
        CHECK_MATRIX(*a, values, 0);
    }
}

CASE(slices_are_views_in_both_orders) {
    const Dense values = random(7, 9, 10);
    for (bool trans : {false, true}) {
        Stored a(values, Storage{trans, false});
        unique_ptr<NVMatrix> rows(&a->sliceRows(2, 5)), cols(&a->sliceCols(4, 8));
        CHECK(rows->isView() && cols->isView());
        CHECK(rows->isContiguous() == !trans);
        CHECK(cols->isContiguous() == trans);
        Dense expectedRows(3, 9), expectedCols(7, 4);
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 9; j++) {
                expectedRows(i, j) = values(i + 2, j);
            }
        }
        for (int i = 0; i < 7; i++) {
            for (int j = 0; j < 4; j++) {
                expectedCols(i, j) = values(i, j + 4);
            }
        }
        CHECK_MATRIX(*rows, expectedRows, 0);
        CHECK_MATRIX(*cols, expectedCols, 0);
        unique_ptr<NVMatrix> nothing(&a->sliceRows(3, 3));
        CHECK_EQUAL(nothing->getNumElements(), 0);
    }
}

CASE(a_single_line_is_contiguous_whatever_its_stride) {
    Stored a(random(4, 6, 11), Storage{false, false});
    unique_ptr<NVMatrix> block(&a->sliceCols(1, 4));
    CHECK(!block->isContiguous());
    unique_ptr<NVMatrix> line(&block->sliceRows(2, 3));
    CHECK(line->isContiguous());
}

CASE(the_destructor_is_virtual_and_references_can_be_deleted) {
    NVMatrix* const matrix = new HostNVMatrix();
    matrix->resize(3, 4);
    CHECK(matrix->getDevData() != nullptr);
    delete matrix;
    NVMatrix a(3, 4);
    a.apply(NVMatrixOps::Zero());
    NVMatrix& sums = a.sum(0);
    CHECK(!sums.isView());
    delete &sums;
}

TEST_MAIN
