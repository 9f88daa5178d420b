// NVMatrix for both back ends, what it holds: memory, devices, shapes, views and copies; operations.cu has what it computes.
// What differs between the back ends stands behind backend.h. Checked against companion-native section 2; held by
// tests/core/nvmatrix_*.cu.
#include <nvmatrix.cuh>

#include "../common/environment.h"
#include "../common/random_state.h"
#include "backend.h"

// -- construction and memory

NVMatrix::NVMatrix() : NVMatrix(DEVICE) {}

NVMatrix::NVMatrix(Storage storage)
    : _devData(nullptr), _numRows(0), _numCols(0), _stride(0), _isTrans(false), _owns(true), _storage(storage) {}

NVMatrix::NVMatrix(const NVMatrix& like) : NVMatrix() { resize(like); }

NVMatrix::NVMatrix(int numRows, int numCols, bool isTrans) : NVMatrix() {
    _isTrans = isTrans;
    resize(numRows, numCols);
}

NVMatrix::NVMatrix(const Matrix& like, bool copy) : NVMatrix() {
    _isTrans = like.isTrans();
    resize(static_cast<int>(like.getNumRows()), static_cast<int>(like.getNumCols()));
    if (copy) {
        copyFromHost(like);
    }
}

NVMatrix::NVMatrix(const NVMatrix& parent, float* data, int numRows, int numCols, int stride, bool isTrans)
    : _devData(data),
      _numRows(numRows),
      _numCols(numCols),
      _stride(stride),
      _isTrans(isTrans),
      _owns(false),
      _storage(parent._storage) {}

NVMatrix::~NVMatrix() {
    if (_owns) {
        release();
    }
}

HostNVMatrix::HostNVMatrix() : NVMatrix(PINNED_HOST) {}

void NVMatrix::allocate(int numElements) {
    if (numElements == 0) {
        return;
    }
    const size_t bytes = static_cast<size_t>(numElements) * sizeof(float);
    if (_storage == PINNED_HOST) {
        checkCudaErrors(cudaHostAlloc(&_devData, bytes, cudaHostAllocPortable));
    } else {
        checkCudaErrors(cudaMalloc(&_devData, bytes));
    }
}

void NVMatrix::release() {
    if (_devData != nullptr) {
        checkCudaErrors(_storage == PINNED_HOST ? cudaFreeHost(_devData) : cudaFree(_devData));
    }
    _devData = nullptr;
}

// -- devices

void NVMatrix::setDeviceID(int device) { checkCudaErrors(cudaSetDevice(device)); }

int NVMatrix::getDeviceID() {
    int device = 0;
    checkCudaErrors(cudaGetDevice(&device));
    return device;
}

bool NVMatrix::canAccessDevice(int source, int target) {
    if (source == target) {
        return true;
    }
    // Devices that could reach each other's memory stand for those that cannot, so that both paths run on one machine.
    static const bool allowed = companion::environmentNumber("ALEXNET_ARCHIVE_PEER_ACCESS", 1) != 0;
    if (!allowed) {
        return false;
    }
    int can = 0;
    checkCudaErrors(cudaDeviceCanAccessPeer(&can, source, target));
    return can != 0;
}

void NVMatrix::initCublas() { companion::startProducts(); }

void NVMatrix::initRandom() { companion::startRandomStream(); }

void NVMatrix::initRandom(unsigned long long seed) { companion::restartRandomStream(seed); }

// -- shape

void NVMatrix::setDims(int numRows, int numCols) {
    _numRows = numRows;
    _numCols = numCols;
    _stride = getLeadingDim();
}

bool NVMatrix::resize(int numRows, int numCols) {
    assert(numRows >= 0 && numCols >= 0);
    if (numRows == _numRows && numCols == _numCols) {
        return false;
    }
    const long count = static_cast<long>(numRows) * numCols;
    assert(count <= 0x7fffffff);
    if (count == getNumElements()) {
        assert(isContiguous());
    } else {
        assert(_owns);
        release();
        allocate(static_cast<int>(count));
    }
    setDims(numRows, numCols);
    return true;
}

bool NVMatrix::resize(const NVMatrix& like) {
    setTrans(like._isTrans);
    return resize(like._numRows, like._numCols);
}

void NVMatrix::reshape(int numRows, int numCols) {
    assert(isContiguous());
    assert(static_cast<long>(numRows) * numCols == getNumElements());
    setDims(numRows, numCols);
}

void NVMatrix::truncate() { resize(0, 0); }

void NVMatrix::setTrans(bool trans) {
    if (trans != _isTrans) {
        assert(isContiguous());
        _isTrans = trans;
        _stride = getLeadingDim();
    }
}

void NVMatrix::transpose() {
    std::swap(_numRows, _numCols);
    _isTrans = !_isTrans;
}

bool NVMatrix::transpose(bool trans) {
    const bool before = _isTrans;
    if (before != trans) {
        transpose();
    }
    return before;
}

void NVMatrix::transpose(NVMatrix& target) const {
    assert(&target != this);
    target.setTrans(_isTrans);
    target.resize(_numCols, _numRows);
    const NVMatrix turned(*this, _devData, _numCols, _numRows, _stride, !_isTrans);
    turned.copy(target);
}

void NVMatrix::flipTrans(NVMatrix& target) const {
    assert(&target != this);
    target.setTrans(!_isTrans);
    target.resize(_numRows, _numCols);
    copy(target);
}

// -- views

NVMatrix& NVMatrix::getTranspose() const {
    return *new NVMatrix(*this, _devData, _numCols, _numRows, _stride, !_isTrans);
}

NVMatrix& NVMatrix::getClone() const { return *new NVMatrix(*this, _devData, _numRows, _numCols, _stride, _isTrans); }

NVMatrix& NVMatrix::sliceRows(int start, int end) const {
    assert(0 <= start && start <= end && end <= _numRows);
    const long first = static_cast<long>(start) * (_isTrans ? 1 : _stride);
    return *new NVMatrix(*this, _devData + first, end - start, _numCols, _stride, _isTrans);
}

NVMatrix& NVMatrix::sliceCols(int start, int end) const {
    assert(0 <= start && start <= end && end <= _numCols);
    const long first = static_cast<long>(start) * (_isTrans ? _stride : 1);
    return *new NVMatrix(*this, _devData + first, _numRows, end - start, _stride, _isTrans);
}

// -- copies

void NVMatrix::copy(NVMatrix& dest) const {
    if (&dest == this) {
        return;
    }
    if (!isSameDims(dest)) {
        dest.resize(*this);
    }
    companion::copyElements(dest.memoryShape(), dest.operand(dest), operand(dest));
}

void NVMatrix::copy(NVMatrix& dest, int srcStartRow, int srcEndRow, int srcStartCol, int srcEndCol, int destStartRow,
                    int destStartCol) const {
    const int endRow = srcEndRow < 0 ? _numRows : srcEndRow;
    const int endCol = srcEndCol < 0 ? _numCols : srcEndCol;
    const int rows = endRow - srcStartRow, cols = endCol - srcStartCol;
    assert(0 <= srcStartRow && rows >= 0 && endRow <= _numRows);
    assert(0 <= srcStartCol && cols >= 0 && endCol <= _numCols);
    assert(0 <= destStartRow && destStartRow + rows <= dest._numRows);
    assert(0 <= destStartCol && destStartCol + cols <= dest._numCols);
    const long from = _isTrans ? static_cast<long>(srcStartCol) * _stride + srcStartRow
                               : static_cast<long>(srcStartRow) * _stride + srcStartCol;
    const long to = dest._isTrans ? static_cast<long>(destStartCol) * dest._stride + destStartRow
                                  : static_cast<long>(destStartRow) * dest._stride + destStartCol;
    const NVMatrix block(*this, _devData + from, rows, cols, _stride, _isTrans);
    NVMatrix place(dest, dest._devData + to, rows, cols, dest._stride, dest._isTrans);
    block.copy(place);
}

namespace {

// Between a host matrix and device memory of the same flag; `stride` in floats is the device side's.
void copyLines(float* target, size_t targetStride, const float* source, size_t sourceStride, size_t line, size_t lines) {
    if (line * lines == 0) {
        return;
    }
    const size_t element = sizeof(float);
    if ((targetStride == line && sourceStride == line) || lines == 1) {
        checkCudaErrors(cudaMemcpy(target, source, line * lines * element, cudaMemcpyDefault));
    } else {
        checkCudaErrors(cudaMemcpy2D(target, targetStride * element, source, sourceStride * element, line * element, lines,
                                     cudaMemcpyDefault));
    }
}

// The device whose memory it is does the work while this lives, whichever device is current: the release's manager thread
// reads and writes the matrices of any device, and only a device's own stream is ordered with its kernels.
class OnDeviceOf {
public:
    explicit OnDeviceOf(const float* memory) : _before(NVMatrix::getDeviceID()) {
        cudaPointerAttributes attributes = cudaPointerAttributes();
        if (memory != nullptr) {
            checkCudaErrors(cudaPointerGetAttributes(&attributes, memory));
        }
        if (attributes.type == cudaMemoryTypeDevice && attributes.device != _before) {
            NVMatrix::setDeviceID(attributes.device);
        }
    }
    ~OnDeviceOf() {
        if (NVMatrix::getDeviceID() != _before) {
            NVMatrix::setDeviceID(_before);
        }
    }
    OnDeviceOf(const OnDeviceOf&) = delete;
    OnDeviceOf& operator=(const OnDeviceOf&) = delete;

private:
    const int _before;
};

}  // namespace

void NVMatrix::copyFromHost(const Matrix& host) { copyFromHost(host, false); }

void NVMatrix::copyFromHost(const Matrix& host, bool resizeTarget) {
    const int rows = static_cast<int>(host.getNumRows()), cols = static_cast<int>(host.getNumCols());
    assert(resizeTarget || (rows == _numRows && cols == _numCols));
    if (isContiguous()) {
        setTrans(host.isTrans());
    }
    if (resizeTarget) {
        resize(rows, cols);
    }
    const OnDeviceOf device(_devData);
    // Pinned memory is free: what read it had finished when it returned (backend.h). The next minibatch is brought here while
    // the present one is computed, which waiting for the device would undo.
    if (host.isTrans() == _isTrans) {
        copyLines(_devData, _stride, host.getData(), getLeadingDim(), getLeadingDim(), getFollowingDim());
        return;
    }
    Matrix ordered(rows, cols);
    ordered.setTrans(_isTrans);
    ordered.copyFrom(host);
    copyLines(_devData, _stride, ordered.getData(), getLeadingDim(), getLeadingDim(), getFollowingDim());
}

void NVMatrix::copyToHost(Matrix& host) const { copyToHost(host, false); }

void NVMatrix::copyToHost(Matrix& host, bool resizeTarget) const {
    if (resizeTarget) {
        host.resize(_numRows, _numCols);
    }
    assert(host.getNumRows() == _numRows && host.getNumCols() == _numCols);
    if (!host.isView()) {
        host.setTrans(_isTrans);
    }
    const OnDeviceOf device(_devData);
    if (_storage == PINNED_HOST) {
        // A kernel may be writing it, and a copy between two host memories would not wait for that.
        checkCudaErrors(cudaDeviceSynchronize());
    }
    if (host.isTrans() == _isTrans) {
        copyLines(host.getData(), getLeadingDim(), _devData, _stride, getLeadingDim(), getFollowingDim());
        return;
    }
    Matrix ordered(_numRows, _numCols);
    ordered.setTrans(_isTrans);
    copyLines(ordered.getData(), getLeadingDim(), _devData, _stride, getLeadingDim(), getFollowingDim());
    host.copyFrom(ordered);
}

// -- printing

void NVMatrix::print(int startRow, int numRows, int startCol, int numCols) const {
    Matrix host;
    copyToHost(host, true);
    host.print(startRow, numRows, startCol, numCols);
}

void NVMatrix::print(int numRows, int numCols) const { print(0, numRows, 0, numCols); }
