// NVMatrix for both back ends, what it computes: the named operations element by element, reductions, products and random
// numbers. What differs between the back ends stands behind backend.h. Checked against companion-native section 2; held by
// tests/core/nvmatrix_*.cu.
#include <nvmatrix.cuh>

#include "backend.h"

using companion::Aggregation;
using companion::MemoryShape;
using companion::Operand;

// -- element by element

// For a result that replaces this matrix without reading it: like's dimensions, and its flag unless this is a view with
// gaps, whose memory cannot be read in the other order.
void NVMatrix::takeShapeOf(const NVMatrix& like) {
    if (isContiguous()) {
        setTrans(like._isTrans);
    }
    resize(like._numRows, like._numCols);
}

void NVMatrix::add(NVMatrix& b) { add(b, 1, 1); }

void NVMatrix::add(NVMatrix& b, float scaleB) { add(b, 1, scaleB); }

// b may lie on another device.
void NVMatrix::add(NVMatrix& b, float scaleA, float scaleB) {
    if (scaleA == 0) {
        takeShapeOf(b);
    }
    assert(isSameDims(b));
    const MemoryShape shape = memoryShape();
    const Operand mine = operand(*this);
    if (scaleA != 0) {
        const NVMatrixBinaryOps::WeightedAdd op(scaleA, scaleB);
        companion::applyBinary(op, shape, mine, mine, companion::reachable(shape, b.operand(*this)));
    } else if (scaleB == 1) {
        b.copy(*this);
    } else {
        const NVMatrixOps::MultByScalar op(scaleB);
        companion::applyUnary(op, shape, mine, companion::reachable(shape, b.operand(*this)));
    }
}

void NVMatrix::add(NVMatrix& b, float scaleA, float scaleB, NVMatrix& target) {
    if (scaleA == 0) {
        b.scale(scaleB, target);
    } else {
        applyBinary(NVMatrixBinaryOps::WeightedAdd(scaleA, scaleB), b, target);
    }
}

void NVMatrix::scale(float factor) { scale(factor, *this); }

void NVMatrix::scale(float factor, NVMatrix& target) { apply(NVMatrixOps::MultByScalar(factor), target); }

void NVMatrix::eltwiseMult(NVMatrix& b) { eltwiseMult(b, *this); }

void NVMatrix::eltwiseMult(NVMatrix& b, NVMatrix& target) { applyBinary(NVMatrixBinaryOps::Multiply(), b, target); }

// The vector's own shape says which way it is repeated, not its flag (2.8).
Operand NVMatrix::broadcastOperand(const NVMatrix& target) const {
    const long rowStep = _numRows == 1 ? 0 : (_isTrans ? 1 : _stride);
    const long colStep = _numCols == 1 ? 0 : (_isTrans ? _stride : 1);
    return target._isTrans ? Operand(_devData, colStep, rowStep) : Operand(_devData, rowStep, colStep);
}

void NVMatrix::addVector(NVMatrix& vec) { addVector(vec, 1, *this); }

void NVMatrix::addVector(NVMatrix& vec, float scaleVec) { addVector(vec, scaleVec, *this); }

void NVMatrix::addVector(NVMatrix& vec, float scaleVec, NVMatrix& target) {
    applyBinaryV(NVMatrixBinaryOps::WeightedAdd(1, scaleVec), vec, target);
}

void NVMatrix::eltwiseMultByVector(NVMatrix& vec) { eltwiseMultByVector(vec, *this); }

void NVMatrix::eltwiseMultByVector(NVMatrix& vec, NVMatrix& target) {
    applyBinaryV(NVMatrixBinaryOps::Multiply(), vec, target);
}

void NVMatrix::eltwiseDivideByVector(NVMatrix& vec) { eltwiseDivideByVector(vec, *this); }

void NVMatrix::eltwiseDivideByVector(NVMatrix& vec, NVMatrix& target) {
    applyBinaryV(NVMatrixBinaryOps::Divide(), vec, target);
}

void NVMatrix::smallerThanScalar(float bound) { apply(NVMatrixOps::SmallerThanScalar(bound)); }

// -- reductions and products

float NVMatrix::sum() const { return static_cast<float>(companion::sumAll(memoryShape(), operand(*this))); }

void NVMatrix::aggregate(int axis, NVMatrix& target, bool maximum, float scaleTarget, float scaleSum) const {
    assert(axis == 0 || axis == 1);
    assert(&target != this);
    if (target.isContiguous()) {
        target.setTrans(_isTrans);
    }
    target.resize(axis == 0 ? 1 : _numRows, axis == 0 ? _numCols : 1);
    assert(target.isContiguous());
    const Aggregation how = {maximum, scaleTarget, scaleSum};
    const bool alongLine = (axis == 0) == _isTrans;
    (alongLine ? companion::reduceInner : companion::reduceOuter)(how, memoryShape(), operand(*this), target._devData);
}

NVMatrix& NVMatrix::sum(int axis) const {
    NVMatrix& target = *new NVMatrix();
    sum(axis, target);
    return target;
}

void NVMatrix::sum(int axis, NVMatrix& target) const { aggregate(axis, target, false, 0, 1); }

NVMatrix& NVMatrix::max(int axis) const {
    NVMatrix& target = *new NVMatrix();
    max(axis, target);
    return target;
}

void NVMatrix::max(int axis, NVMatrix& target) const { aggregate(axis, target, true, 0, 1); }

void NVMatrix::addSum(NVMatrix& a, int axis, float scaleThis, float scaleSum) {
    a.aggregate(axis, *this, false, scaleThis, scaleSum);
}

void NVMatrix::addProduct(NVMatrix& a, NVMatrix& b, float scaleThis, float scaleAB) {
    const int m = a._numRows, n = b._numCols, k = a._numCols;
    assert(b._numRows == k);
    assert(this != &a && this != &b);
    if (scaleThis == 0) {
        if (isContiguous()) {
            setTrans(true);
        }
        resize(m, n);
    }
    assert(_numRows == m && _numCols == n);
    if (m == 0 || n == 0) {
        return;
    }
    // BLAS sees this matrix column-major. A row-major one is the transposed product (b' . a') column-major.
    const companion::Factor left = {a._devData, std::max(1, a._stride), a._isTrans != _isTrans};
    const companion::Factor right = {b._devData, std::max(1, b._stride), b._isTrans != _isTrans};
    if (_isTrans) {
        companion::product(m, n, k, scaleAB, left, right, scaleThis, _devData, _stride);
    } else {
        companion::product(n, m, k, scaleAB, right, left, scaleThis, _devData, _stride);
    }
}

// -- random numbers

void NVMatrix::randomizeUniform() {
    companion::fillUniform(memoryShape(), operand(*this), companion::takeRandomNumbers(getNumElements()));
}

void NVMatrix::addGaussianNoise(NVMatrix& stdevs, bool var) {
    assert(isSameDims(stdevs));
    companion::addNormal(memoryShape(), operand(*this), stdevs.operand(*this), var,
                         companion::takeRandomNumbers(getNumElements()));
}
