// Matrix: a dense float matrix in host memory, row- or column-major (companion-native 5.1, 5.2). Plain C++ for the host
// compiler (IO-11); read before every macro of the release, so it is also where the system headers come in (IO-1, IO-2,
// IO-4, IO-5, H9, H10). Held by tests/core/matrix.cpp and tests/unit/companion.
#ifndef COMPANION_MATRIX_H
#define COMPANION_MATRIX_H

#ifdef NUMPY_INTERFACE
#include <Python.h>
#include <arrayobject.h>
#endif

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <vector>

#define MTYPE float

class Matrix {
public:
    enum FUNCTION { ZERO, ONE, ABS };

    Matrix();
    Matrix(long numRows, long numCols);
    // Owning, not transposed, with the same elements.
    Matrix(const Matrix& like);
#ifdef NUMPY_INTERFACE
    // A view of the array's memory where its strides allow, else an owning copy. float32 and two dimensions are required.
    // Struct fields only: NumPy's function table is filled in one unit of the module alone (5.2).
    Matrix(const PyArrayObject* array) {
        PyArrayObject* a = const_cast<PyArrayObject*>(array);
        assert(PyArray_NDIM(a) == 2);
        adopt(static_cast<MTYPE*>(PyArray_DATA(a)), PyArray_DIM(a, 0), PyArray_DIM(a, 1), PyArray_STRIDES(a)[0],
              PyArray_STRIDES(a)[1], PyArray_CHKFLAGS(a, NPY_ARRAY_C_CONTIGUOUS) != 0,
              PyArray_CHKFLAGS(a, NPY_ARRAY_F_CONTIGUOUS) != 0);
    }
#endif
    ~Matrix();

    Matrix& operator=(const Matrix&) = delete;

    // Exactly `long int`: multisoftmax.cpp hands the result to std::min beside one (5.1, H5).
    long int getNumRows() const { return _numRows; }
    long int getNumCols() const { return _numCols; }
    long int getNumElements() const { return _numRows * _numCols; }
    long int getLeadingDim() const { return _trans ? _numRows : _numCols; }
    long int getFollowingDim() const { return _trans ? _numCols : _numRows; }
    MTYPE* getData() const { return _data; }
    bool isTrans() const { return _trans; }
    bool isView() const { return !_owns; }
    bool isSameDims(const Matrix& m) const { return m._numRows == _numRows && m._numCols == _numCols; }

    // Reads the same memory in the other order.
    void setTrans(bool trans) { _trans = trans; }

    MTYPE& operator()(long i, long j) const { return _data[_trans ? j * _numRows + i : i * _numCols + j]; }

    // Rows or columns [start, end) as a new heap object that the caller deletes: a view when the block is contiguous, else
    // a copy (same flag).
    Matrix& sliceRows(long start, long end) const;
    Matrix& sliceCols(long start, long end) const;
    // The same copied into target, which becomes end - start columns wide and not transposed.
    void sliceCols(long start, long end, Matrix& target) const;
    // A new heap view with dimensions swapped and the flag flipped.
    Matrix& transpose() const;

    // Nothing if the dimensions agree; else not transposed and, for owners, contents unspecified.
    void resize(const Matrix& like);
    void resize(long numRows, long numCols);

    void apply(FUNCTION function);
    void scale(float factor);
    float norm() const;
    void subtract(const Matrix& m);
    void subtract(const Matrix& m, Matrix& target) const;
    float max() const;
    // axis 0: 1 x columns, axis 1: rows x 1; a new heap object.
    Matrix& max(long axis) const;
    // this += factor * vec, vec being 1 x columns or rows x 1.
    void addVector(const Matrix& vec, float factor);
    void randomizeUniform();
    void print(long startRow, long numRows, long startCol, long numCols) const;
    void print(long numRows, long numCols) const;

    // this = m, element by element, whatever the two flags are; dimensions must agree. (Companion's own use.)
    void copyFrom(const Matrix& m);

private:
    Matrix(MTYPE* data, long numRows, long numCols, bool trans);

    void allocate(long numRows, long numCols);
    void adopt(MTYPE* data, long numRows, long numCols, long rowBytes, long colBytes, bool cOrder, bool fortranOrder);
    Matrix& slice(long startRow, long endRow, long startCol, long endCol) const;

    MTYPE* _data;
    long int _numRows;
    long int _numCols;
    bool _trans;
    bool _owns;
};

#endif
