// Plain float64 matrices for conformance tests: what a test computes with, and the way to and from the device.
#ifndef COMPANION_TESTS_DENSE_H
#define COMPANION_TESTS_DENSE_H

#include <nvmatrix.cuh>

#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "device.h"

namespace check {

struct Dense {
    int rows, cols;
    std::vector<double> at;

    Dense(int numRows, int numCols, double value = 0)
        : rows(numRows), cols(numCols), at(static_cast<size_t>(numRows) * numCols, value) {}

    double& operator()(int i, int j) { return at[static_cast<size_t>(i) * cols + j]; }
    double operator()(int i, int j) const { return at[static_cast<size_t>(i) * cols + j]; }

    Dense transposed() const {
        Dense t(cols, rows);
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                t(j, i) = (*this)(i, j);
            }
        }
        return t;
    }
};

// Uniform numbers in [low, high], exact in single precision.
inline Dense random(int rows, int cols, unsigned seed, double low = -1, double high = 1) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> draw(low, high);
    Dense m(rows, cols);
    for (double& x : m.at) {
        x = static_cast<float>(draw(generator));
    }
    return m;
}

const double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

// Fills `target` (given its dimensions and flag, views included) with m.
inline void upload(const Dense& m, NVMatrix& target) {
    Matrix host(m.rows, m.cols);
    host.setTrans(target.isTrans());
    for (int i = 0; i < m.rows; i++) {
        for (int j = 0; j < m.cols; j++) {
            host(i, j) = static_cast<float>(m(i, j));
        }
    }
    target.copyFromHost(host);
}

// A device matrix with the elements of m in the given order.
inline std::unique_ptr<NVMatrix> device(const Dense& m, bool trans = false) {
    std::unique_ptr<NVMatrix> matrix(new NVMatrix(m.rows, m.cols, trans));
    upload(m, *matrix);
    return matrix;
}

inline Dense download(const NVMatrix& matrix) {
    Matrix host;
    matrix.copyToHost(host, true);
    Dense m(matrix.getNumRows(), matrix.getNumCols());
    for (int i = 0; i < m.rows; i++) {
        for (int j = 0; j < m.cols; j++) {
            m(i, j) = host(i, j);
        }
    }
    return m;
}

// Dimensions first, then every element: finite and |found - expected| <= tolerance * (1 + |expected|).
inline void compare(const NVMatrix& found, const Dense& expected, double tolerance, const char* file, int line) {
    if (found.getNumRows() != expected.rows || found.getNumCols() != expected.cols) {
        report(false, file, line,
               "the matrix is " + std::to_string(found.getNumRows()) + " x " + std::to_string(found.getNumCols()) +
                   ", expected " + std::to_string(expected.rows) + " x " + std::to_string(expected.cols));
        return;
    }
    const Dense values = download(found);
    report(true, file, line, "dimensions");
    for (int i = 0; i < expected.rows; i++) {
        for (int j = 0; j < expected.cols; j++) {
            if (close(values(i, j), expected(i, j), tolerance)) {
                counts().checks++;
                continue;
            }
            report(false, file, line,
                   "(" + std::to_string(i) + ", " + std::to_string(j) + ") is " + std::to_string(values(i, j)) +
                       ", expected " + std::to_string(expected(i, j)));
        }
    }
}

}  // namespace check

#define CHECK_MATRIX(found, expected, tolerance) check::compare((found), (expected), (tolerance), __FILE__, __LINE__)

#endif
