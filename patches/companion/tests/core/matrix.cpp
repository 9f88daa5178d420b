// Matrix on the host (companion-native 5.1). The NumPy constructor has its own test, which needs an interpreter.
#include <matrix.h>

#include <memory>
#include <type_traits>

#include "check.h"

namespace {

typedef std::unique_ptr<Matrix> Pointer;

// Element (i, j) is 10 * i + j.
void number(Matrix& m) {
    for (long i = 0; i < m.getNumRows(); i++) {
        for (long j = 0; j < m.getNumCols(); j++) {
            m(i, j) = static_cast<float>(10 * i + j);
        }
    }
}

bool isBlock(const Matrix& m, long startRow, long startCol) {
    bool same = true;
    for (long i = 0; i < m.getNumRows(); i++) {
        for (long j = 0; j < m.getNumCols(); j++) {
            same = same && m(i, j) == static_cast<float>(10 * (startRow + i) + startCol + j);
        }
    }
    return same;
}

}  // namespace

CASE(dimensions_are_long) {
    static_assert(std::is_same<decltype(Matrix().getNumRows()), long int>::value, "H5");
    static_assert(std::is_same<decltype(Matrix().getNumCols()), long int>::value, "H5");
    static_assert(std::is_same<decltype(Matrix().getData()), float*>::value, "5.1");
    const long other = 7;
    const Matrix m(3, 5);
    CHECK_EQUAL(std::min(m.getNumRows(), other), 3L);
    CHECK_EQUAL(m.getLeadingDim(), 5L);
    CHECK_EQUAL(m.getFollowingDim(), 3L);
    CHECK_EQUAL(m.getNumElements(), 15L);
    CHECK(!m.isTrans() && !m.isView());
}

CASE(default_is_empty) {
    Matrix m;
    CHECK_EQUAL(m.getNumElements(), 0L);
    CHECK(!m.isView() && m.getData() == nullptr);
}

CASE(elements_can_be_written_through_const) {
    const Matrix m(2, 2);
    m(0, 1) = 5;
    CHECK_CLOSE(m.getData()[1], 5, 0);
}

CASE(copy_constructor_owns_and_is_not_transposed) {
    Matrix m(2, 3);
    m.setTrans(true);
    number(m);
    const Matrix copy(m);
    CHECK(!copy.isTrans() && !copy.isView() && copy.isSameDims(m));
    CHECK(isBlock(copy, 0, 0));
}

CASE(row_slices_alias_when_contiguous) {
    Matrix m(4, 3);
    number(m);
    Pointer rows(&m.sliceRows(1, 3));
    CHECK(rows->isView() && isBlock(*rows, 1, 0));
    (*rows)(0, 2) = -1;
    CHECK_CLOSE(m(1, 2), -1, 0);
    m.setTrans(true);
    number(m);
    Pointer copied(&m.sliceRows(1, 3));
    CHECK(!copied->isView() && copied->isTrans() && isBlock(*copied, 1, 0));
    Pointer all(&m.sliceRows(0, 4));
    CHECK(all->isView());
}

CASE(column_slices_alias_when_contiguous) {
    Matrix m(4, 3);
    m.setTrans(true);
    number(m);
    Pointer cols(&m.sliceCols(1, 3));
    CHECK(cols->isView() && cols->isTrans() && isBlock(*cols, 0, 1));
    (*cols)(3, 1) = -1;
    CHECK_CLOSE(m(3, 2), -1, 0);
    m.setTrans(false);
    number(m);
    Pointer copied(&m.sliceCols(1, 3));
    CHECK(!copied->isView() && isBlock(*copied, 0, 1));
    Pointer row(&m.sliceRows(2, 3));
    Pointer part(&row->sliceCols(1, 3));
    CHECK(part->isView() && isBlock(*part, 2, 1));
}

CASE(column_slice_into_a_target) {
    for (bool trans : {false, true}) {
        Matrix m(4, 5), target(4, 2);
        m.setTrans(trans);
        number(m);
        target.setTrans(true);
        m.sliceCols(2, 4, target);
        CHECK(!target.isTrans() && isBlock(target, 0, 2));
        m.sliceCols(1, 4, target);
        CHECK_EQUAL(target.getNumCols(), 3L);
        CHECK(isBlock(target, 0, 1));
    }
}

CASE(transpose_is_a_view) {
    Matrix m(2, 3);
    number(m);
    Pointer turned(&m.transpose());
    CHECK(turned->isView() && turned->isTrans());
    CHECK_EQUAL(turned->getNumRows(), 3L);
    CHECK_CLOSE((*turned)(2, 1), m(1, 2), 0);
    (*turned)(0, 1) = 99;
    CHECK_CLOSE(m(1, 0), 99, 0);
}

CASE(resize) {
    Matrix m(2, 6), like(4, 3);
    number(m);
    m.setTrans(true);
    m.resize(2, 6);
    CHECK(m.isTrans());
    const float* const before = m.getData();
    m.resize(like);
    CHECK(m.getData() == before && !m.isTrans() && m.isSameDims(like));
    m.resize(5, 5);
    CHECK_EQUAL(m.getNumElements(), 25L);
    Pointer view(&m.transpose());
    view->resize(5, 5);
    CHECK(view->isView());
}

CASE(apply_scale_norm) {
    Matrix m(2, 2);
    m.apply(Matrix::ONE);
    m.scale(-2.0);
    CHECK_CLOSE(m.norm(), 4, 1e-6);
    m.apply(Matrix::ABS);
    CHECK_CLOSE(m(1, 1), 2, 0);
    m(0, 0) = NAN;
    m.apply(Matrix::ZERO);
    CHECK_CLOSE(m.norm(), 0, 0);
}

CASE(subtract_whatever_the_flags) {
    Matrix a(2, 3), b(2, 3), target;
    b.setTrans(true);
    number(a);
    b.apply(Matrix::ONE);
    b(1, 0) = 4;
    a.subtract(b, target);
    CHECK_CLOSE(target(1, 0), 6, 0);
    CHECK_CLOSE(target(0, 2), 1, 0);
    a.subtract(b);
    CHECK_CLOSE(a(1, 0), 6, 0);
}

CASE(maxima) {
    Matrix m(2, 3);
    number(m);
    m(1, 1) = -50;
    Pointer columns(&m.max(0)), rows(&m.max(1));
    CHECK_CLOSE(m.max(), 12, 0);
    CHECK_EQUAL(columns->getNumCols(), 3L);
    CHECK_CLOSE((*columns)(0, 1), 1, 0);
    CHECK_CLOSE((*rows)(1, 0), 12, 0);
}

CASE(add_vector) {
    Matrix m(2, 3), row(1, 3), column(2, 1);
    number(m);
    row.apply(Matrix::ONE);
    column.apply(Matrix::ONE);
    column(1, 0) = 3;
    m.addVector(row, -1);
    m.addVector(column, 2);
    CHECK_CLOSE(m(0, 0), 1, 0);
    CHECK_CLOSE(m(1, 2), 17, 0);
}

CASE(uniform_numbers) {
    Matrix m(20, 20);
    m.randomizeUniform();
    CHECK(m.max() <= 1 && m.max() > 0.9);
    m.scale(-1);
    CHECK(m.max() <= 0);
}

CASE(copy_from_reorders) {
    Matrix a(3, 4), b(3, 4);
    number(a);
    b.setTrans(true);
    b.copyFrom(a);
    CHECK(b.isTrans() && isBlock(b, 0, 0));
}

CASE(printing) {
    fflush(stdout);
    FILE* const kept = stdout;
    char* text = nullptr;
    size_t length = 0;
    stdout = open_memstream(&text, &length);
    Matrix m(3, 2);
    number(m);
    m.print(1, 9, 0, 1);
    m.print(1, 2);
    fclose(stdout);
    stdout = kept;
    const std::string printed(text, length);
    free(text);
    CHECK_EQUAL(std::count(printed.begin(), printed.end(), '\n'), 3L);
    CHECK(printed.find("10") < printed.find("20"));
}

TEST_MAIN
