// Shape checks and dense access to matrices; see matrices.h. Held by tests/conv/shapes.cpp.
#include "matrices.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace conv_backend {

namespace {

bool isDense(const NVMatrix& matrix) { return !matrix.isTrans() && matrix.isContiguous(); }

void requireShape(const char* function, const char* name, const NVMatrix& matrix, long rows, long columns) {
    if (matrix.getNumRows() == rows && matrix.getNumCols() == columns) return;
    std::fprintf(stderr, "%s: %s is %d x %d, expected %ld x %ld\n", function, name, matrix.getNumRows(),
                 matrix.getNumCols(), rows, columns);
    std::abort();
}

std::unique_ptr<NVMatrix> denseCopy(const NVMatrix& matrix, bool contents) {
    std::unique_ptr<NVMatrix> copy(new NVMatrix());
    copy->resize(matrix.getNumRows(), matrix.getNumCols());
    if (contents) matrix.copy(*copy);
    return copy;
}

}  // namespace

void require(bool holds, const char* function, const char* text, long found, long expected) {
    if (holds) return;
    std::fprintf(stderr, "%s: %s: found %ld, expected %ld\n", function, text, found, expected);
    std::abort();
}

int sideOf(const char* function, const char* text, long area) {
    const int side = (int)std::lround(std::sqrt((double)area));
    require(area > 0 && (long)side * side == area, function, text, area, (long)side * side);
    return side;
}

Input::Input(const char* function, const char* name, NVMatrix& matrix, long rows, long columns) {
    requireShape(function, name, matrix, rows, columns);
    if (!isDense(matrix)) _copy = denseCopy(matrix, true);
    _data = (_copy ? *_copy : matrix).getDevData();
}

Output::Output(const char* function, NVMatrix& matrix, long rows, long columns, float scaleTargets)
    : _matrix(matrix) {
    if (scaleTargets == 0) {
        if (matrix.getNumRows() != rows || matrix.getNumCols() != columns) matrix.resize((int)rows, (int)columns);
    } else {
        requireShape(function, "the target, kept by its scale,", matrix, rows, columns);
    }
    if (!isDense(matrix)) _copy = denseCopy(matrix, scaleTargets != 0);
    _data = (_copy ? *_copy : matrix).getDevData();
}

Output::~Output() {
    if (_copy) _copy->copy(_matrix);
}

}  // namespace conv_backend
