// Matrix on the host; see matrix.h and companion-native 5.1, 5.2.
#include <matrix.h>

namespace {

// What a running maximum starts from, as on the device (engine-semantics 8).
const MTYPE SMALLEST = -2e38f;

}  // namespace

Matrix::Matrix() : _data(nullptr), _numRows(0), _numCols(0), _trans(false), _owns(true) {}

Matrix::Matrix(long numRows, long numCols) : _data(nullptr), _trans(false), _owns(true) { allocate(numRows, numCols); }

Matrix::Matrix(const Matrix& like) : _data(nullptr), _trans(false), _owns(true) {
    allocate(like._numRows, like._numCols);
    copyFrom(like);
}

Matrix::Matrix(MTYPE* data, long numRows, long numCols, bool trans)
    : _data(data), _numRows(numRows), _numCols(numCols), _trans(trans), _owns(false) {}

Matrix::~Matrix() {
    if (_owns) {
        delete[] _data;
    }
}

void Matrix::allocate(long numRows, long numCols) {
    assert(numRows >= 0 && numCols >= 0);
    _numRows = numRows;
    _numCols = numCols;
    _data = numRows * numCols > 0 ? new MTYPE[numRows * numCols] : nullptr;
}

// Strict strides decide, flags only where no stride does (5.2): an array with one row or column carries both of NumPy's
// flags, while the release asserts that all matrices of a batch agree. A single element is plain (5.2), not as the first of
// its batch (python-and-data 1.9), which is not known here: gpumodel.py hands over a batch of one case plain throughout.
void Matrix::adopt(MTYPE* data, long numRows, long numCols, long rowBytes, long colBytes, bool cOrder, bool fortranOrder) {
    const long element = sizeof(MTYPE);
    const bool isPlain = rowBytes == numCols * element && colBytes == element;
    const bool isTransposed = rowBytes == element && colBytes == numRows * element;
    _owns = !(isPlain || isTransposed || cOrder || fortranOrder);
    _trans = !isPlain && (isTransposed || (!cOrder && fortranOrder));
    if (!_owns) {
        _data = data;
        _numRows = numRows;
        _numCols = numCols;
        return;
    }
    allocate(numRows, numCols);
    const char* const first = reinterpret_cast<const char*>(data);
    for (long i = 0; i < numRows; i++) {
        for (long j = 0; j < numCols; j++) {
            memcpy(&(*this)(i, j), first + i * rowBytes + j * colBytes, sizeof(MTYPE));
        }
    }
}

Matrix& Matrix::slice(long startRow, long endRow, long startCol, long endCol) const {
    assert(0 <= startRow && startRow <= endRow && endRow <= _numRows);
    assert(0 <= startCol && startCol <= endCol && endCol <= _numCols);
    const long rows = endRow - startRow, cols = endCol - startCol;
    const long lines = _trans ? cols : rows, line = _trans ? rows : cols;
    if (rows * cols == 0) {
        return *new Matrix(_data, rows, cols, _trans);
    }
    if (line == getLeadingDim() || lines == 1) {
        return *new Matrix(&(*this)(startRow, startCol), rows, cols, _trans);
    }
    Matrix& block = *new Matrix(rows, cols);
    block._trans = _trans;
    for (long i = 0; i < rows; i++) {
        for (long j = 0; j < cols; j++) {
            block(i, j) = (*this)(startRow + i, startCol + j);
        }
    }
    return block;
}

Matrix& Matrix::sliceRows(long start, long end) const { return slice(start, end, 0, _numCols); }

Matrix& Matrix::sliceCols(long start, long end) const { return slice(0, _numRows, start, end); }

void Matrix::sliceCols(long start, long end, Matrix& target) const {
    assert(0 <= start && start <= end && end <= _numCols && &target != this);
    target.resize(_numRows, end - start);
    assert(!target._trans || target._owns);
    target._trans = false;
    for (long i = 0; i < _numRows; i++) {
        for (long j = start; j < end; j++) {
            target(i, j - start) = (*this)(i, j);
        }
    }
}

Matrix& Matrix::transpose() const { return *new Matrix(_data, _numCols, _numRows, !_trans); }

void Matrix::resize(const Matrix& like) { resize(like._numRows, like._numCols); }

void Matrix::resize(long numRows, long numCols) {
    if (numRows == _numRows && numCols == _numCols) {
        return;
    }
    assert(_owns);
    if (numRows * numCols != getNumElements()) {
        delete[] _data;
        allocate(numRows, numCols);
    }
    _numRows = numRows;
    _numCols = numCols;
    _trans = false;
}

void Matrix::copyFrom(const Matrix& m) {
    assert(isSameDims(m));
    if (m._trans == _trans) {
        std::copy(m._data, m._data + getNumElements(), _data);
        return;
    }
    for (long i = 0; i < _numRows; i++) {
        for (long j = 0; j < _numCols; j++) {
            (*this)(i, j) = m(i, j);
        }
    }
}

void Matrix::apply(FUNCTION function) {
    for (long e = 0; e < getNumElements(); e++) {
        _data[e] = function == ABS ? std::fabs(_data[e]) : (function == ONE ? 1.0f : 0.0f);
    }
}

void Matrix::scale(float factor) {
    for (long e = 0; e < getNumElements(); e++) {
        _data[e] *= factor;
    }
}

float Matrix::norm() const {
    double sum = 0;
    for (long e = 0; e < getNumElements(); e++) {
        sum += static_cast<double>(_data[e]) * _data[e];
    }
    return static_cast<float>(std::sqrt(sum));
}

void Matrix::subtract(const Matrix& m) { subtract(m, *this); }

void Matrix::subtract(const Matrix& m, Matrix& target) const {
    assert(isSameDims(m));
    target.resize(*this);
    for (long i = 0; i < _numRows; i++) {
        for (long j = 0; j < _numCols; j++) {
            target(i, j) = (*this)(i, j) - m(i, j);
        }
    }
}

float Matrix::max() const {
    MTYPE largest = SMALLEST;
    for (long e = 0; e < getNumElements(); e++) {
        largest = std::max(largest, _data[e]);
    }
    return largest;
}

Matrix& Matrix::max(long axis) const {
    assert(axis == 0 || axis == 1);
    Matrix& result = *new Matrix(axis == 0 ? 1 : _numRows, axis == 0 ? _numCols : 1);
    std::fill(result._data, result._data + result.getNumElements(), SMALLEST);
    for (long i = 0; i < _numRows; i++) {
        for (long j = 0; j < _numCols; j++) {
            MTYPE& largest = axis == 0 ? result(0, j) : result(i, 0);
            largest = std::max(largest, (*this)(i, j));
        }
    }
    return result;
}

void Matrix::addVector(const Matrix& vec, float factor) {
    assert((vec._numRows == 1 && vec._numCols == _numCols) || (vec._numCols == 1 && vec._numRows == _numRows));
    for (long i = 0; i < _numRows; i++) {
        for (long j = 0; j < _numCols; j++) {
            (*this)(i, j) += factor * vec(vec._numRows == 1 ? 0 : i, vec._numCols == 1 ? 0 : j);
        }
    }
}

// From the C library's generator, so that srand decides.
void Matrix::randomizeUniform() {
    for (long e = 0; e < getNumElements(); e++) {
        _data[e] = static_cast<MTYPE>(::rand()) / static_cast<MTYPE>(RAND_MAX);
    }
}

void Matrix::print(long startRow, long numRows, long startCol, long numCols) const {
    for (long i = startRow; i < std::min(startRow + numRows, _numRows); i++) {
        for (long j = startCol; j < std::min(startCol + numCols, _numCols); j++) {
            printf("% .6g ", (*this)(i, j));
        }
        printf("\n");
    }
}

void Matrix::print(long numRows, long numCols) const { print(0, numRows, 0, numCols); }
