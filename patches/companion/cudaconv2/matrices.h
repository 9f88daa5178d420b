// What stands between matrices and raw arrays: shape checks with readable messages, and dense row-major access.
//
// A column-major or strided operand is copied; the usual case costs nothing. Wrong shapes print the function, the matrix
// and both shapes, and abort: the release has no way to receive an error (companion-native 4.1).
#ifndef COMPANION_CONV_MATRICES_H
#define COMPANION_CONV_MATRICES_H

#include "backend.h"

#include <nvmatrix.cuh>

#include <memory>

namespace conv_backend {

// Prints "function: text" and aborts unless `holds`.
void require(bool holds, const char* function, const char* text, long found, long expected);

// The side of a square with `area` elements; aborts if there is none.
int sideOf(const char* function, const char* text, long area);

// An operand that is only read, as dense [row][column] floats.
class Input {
public:
    Input(const char* function, const char* name, NVMatrix& matrix, long rows, long columns);
    operator const float*() const { return _data; }

private:
    std::unique_ptr<NVMatrix> _copy;
    const float* _data;
};

// A result: resized if its old contents do not count, dense while this object lives, written back at its end.
class Output {
public:
    Output(const char* function, NVMatrix& matrix, long rows, long columns, float scaleTargets);
    ~Output();

    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    operator float*() const { return _data; }

private:
    NVMatrix& _matrix;
    std::unique_ptr<NVMatrix> _copy;
    float* _data;
};

}  // namespace conv_backend

#endif
