// NVMatrix: a dense float matrix in device memory, row- or column-major, and HostNVMatrix, the same in pinned host memory
// (companion-native section 2). One interface for both back ends: named operations are functions of the library, operations
// with a functor are templates whose loops come from nvmatrix_apply.cuh. Held by tests/core/nvmatrix_*.cu.
#ifndef COMPANION_NVMATRIX_CUH
#define COMPANION_NVMATRIX_CUH

#include <matrix.h>

#include <cuda_runtime.h>
#include <helper_cuda.h>
#include <nvmatrix_operators.cuh>

#ifndef DIVUP
#define DIVUP(x, y) (((x) + (y) - 1) / (y))
#endif

#include <nvmatrix_apply.cuh>

// All calls work on the current device of the calling thread and its legacy default stream.
// Storage: flag false: element (i, j) at i * stride + j; flag true: at j * stride + i.
// "Resized" targets keep memory and contents when the element count stays the same. Shape mismatches end the program.
class NVMatrix {
public:
    // Makes no call to the run-time; memory comes with the first resize.
    NVMatrix();
    // Same dimensions and flag, contents unspecified.
    explicit NVMatrix(const NVMatrix& like);
    NVMatrix(int numRows, int numCols, bool isTrans = false);
    NVMatrix(const Matrix& like, bool copy);
    virtual ~NVMatrix();

    NVMatrix& operator=(const NVMatrix&) = delete;

    // -- devices (2.4)
    static void setDeviceID(int device);
    static int getDeviceID();
    static bool canAccessDevice(int source, int target);
    // The current device's matrix-product handle; a second call does nothing.
    static void initCublas();
    // Gives the current device its random stream (RANDOM.md): seed from ALEXNET_ARCHIVE_SEED, else the clock. A second call
    // does nothing; the form with a seed starts the stream again.
    static void initRandom();
    static void initRandom(unsigned long long seed);

    // -- queries (2.5)
    int getNumRows() const { return _numRows; }
    int getNumCols() const { return _numCols; }
    int getNumElements() const { return _numRows * _numCols; }
    int getLeadingDim() const { return _isTrans ? _numRows : _numCols; }
    int getFollowingDim() const { return _isTrans ? _numCols : _numRows; }
    // Distance in floats between neighbours along the following dimension.
    int getStride() const { return _stride; }
    bool isTrans() const { return _isTrans; }
    bool isContiguous() const { return _stride == getLeadingDim() || getFollowingDim() == 1; }
    bool isSameDims(const NVMatrix& m) const { return m._numRows == _numRows && m._numCols == _numCols; }
    bool isView() const { return !_owns; }
    float* getDevData() const { return _devData; }

    // -- shape, layout, views (2.6)
    // True if dimensions changed. A view may only keep its element count.
    bool resize(int numRows, int numCols);
    // Takes like's flag too.
    bool resize(const NVMatrix& like);
    void reshape(int numRows, int numCols);
    void truncate();
    // Reads the same memory in the other order.
    void setTrans(bool trans);
    // Soft, in place.
    void transpose();
    // Soft, unless the flag already is `trans`; returns the old flag.
    bool transpose(bool trans);
    // Hard: target(j, i) = this(i, j), with this matrix' flag.
    void transpose(NVMatrix& target) const;
    // Same elements, the other flag.
    void flipTrans(NVMatrix& target) const;
    // Heap views that the caller deletes.
    NVMatrix& getTranspose() const;
    NVMatrix& getClone() const;
    NVMatrix& sliceRows(int start, int end) const;
    NVMatrix& sliceCols(int start, int end) const;

    // -- copies (2.7)
    // dest takes dimensions and flag unless its dimensions agree already; this matrix may lie on another device.
    void copy(NVMatrix& dest) const;
    // A rectangle; a negative end means the last row or column. dest is not resized.
    void copy(NVMatrix& dest, int srcStartRow, int srcEndRow, int srcStartCol, int srcEndCol, int destStartRow,
              int destStartCol) const;
    void copyFromHost(const Matrix& host);
    void copyFromHost(const Matrix& host, bool resizeTarget);
    // An owning host matrix takes this matrix' flag, a view of foreign memory keeps its own.
    void copyToHost(Matrix& host) const;
    void copyToHost(Matrix& host, bool resizeTarget) const;

    // -- element by element (2.8); target may be any operand with the same flag
    template <class Op>
    void apply(Op op, NVMatrix& target) {
        if (!target.isSameDims(*this)) {
            target.resize(*this);
        }
        companion::applyUnary(op, target.memoryShape(), target.operand(target), operand(target));
    }

    template <class Op>
    void apply(Op op) {
        apply(op, *this);
    }

    template <class Op>
    void applyBinary(Op op, NVMatrix& b, NVMatrix& target) {
        assert(isSameDims(b));
        if (!target.isSameDims(*this)) {
            target.resize(*this);
        }
        companion::applyBinary(op, target.memoryShape(), target.operand(target), operand(target), b.operand(target));
    }

    template <class Op>
    void applyBinary(Op op, NVMatrix& b) {
        applyBinary(op, b, *this);
    }

    template <class Op>
    void applyTernary(Op op, NVMatrix& b, NVMatrix& c, NVMatrix& target) {
        assert(isSameDims(b) && isSameDims(c));
        if (!target.isSameDims(*this)) {
            target.resize(*this);
        }
        companion::applyTernary(op, target.memoryShape(), target.operand(target), operand(target), b.operand(target),
                                c.operand(target));
    }

    // this = op(this, vec) with vec, 1 x columns or rows x 1, repeated over the other dimension.
    template <class Op>
    void applyBinaryV(Op op, NVMatrix& vec, NVMatrix& target) {
        assert(vec.isContiguous());
        assert(vec._numRows == 1 || vec._numRows == _numRows);
        assert(vec._numCols == 1 || vec._numCols == _numCols);
        if (!target.isSameDims(*this)) {
            target.resize(*this);
        }
        companion::applyBinary(op, target.memoryShape(), target.operand(target), operand(target),
                               vec.broadcastOperand(target));
    }

    void add(NVMatrix& b);
    void add(NVMatrix& b, float scaleB);
    // scaleA 0: this is not read and takes b's dimensions and flag. b may lie on another device or in pinned memory.
    void add(NVMatrix& b, float scaleA, float scaleB);
    void add(NVMatrix& b, float scaleA, float scaleB, NVMatrix& target);
    void scale(float factor);
    void scale(float factor, NVMatrix& target);
    void eltwiseMult(NVMatrix& b);
    void eltwiseMult(NVMatrix& b, NVMatrix& target);
    void addVector(NVMatrix& vec);
    void addVector(NVMatrix& vec, float scaleVec);
    void addVector(NVMatrix& vec, float scaleVec, NVMatrix& target);
    void eltwiseMultByVector(NVMatrix& vec);
    void eltwiseMultByVector(NVMatrix& vec, NVMatrix& target);
    void eltwiseDivideByVector(NVMatrix& vec);
    void eltwiseDivideByVector(NVMatrix& vec, NVMatrix& target);
    void smallerThanScalar(float bound);

    // -- reductions and products (2.9); results have this matrix' flag
    // Accumulated in double, in an order that does not depend on the number of threads.
    float sum() const;
    // axis 0: 1 x columns, axis 1: rows x 1; the first form is a new heap object.
    NVMatrix& sum(int axis) const;
    void sum(int axis, NVMatrix& target) const;
    NVMatrix& max(int axis) const;
    void max(int axis, NVMatrix& target) const;
    // this = scaleThis * this + scaleSum * (a summed over axis); scaleThis 0: this is not read.
    void addSum(NVMatrix& a, int axis, float scaleThis, float scaleSum);
    // this = scaleThis * this + scaleAB * a . b; scaleThis 0: this is not read and becomes m x n, column-major.
    void addProduct(NVMatrix& a, NVMatrix& b, float scaleThis, float scaleAB);

    // -- random numbers (2.10, RANDOM.md)
    void randomizeUniform();
    // this += f * g, g standard normal, f = stdevs or, with var, its square.
    void addGaussianNoise(NVMatrix& stdevs, bool var);

    // -- printing (2.11)
    void print(int numRows, int numCols) const;
    void print(int startRow, int numRows, int startCol, int numCols) const;

    // -- the companion's own use
    // Rows and columns as memory sees them.
    companion::MemoryShape memoryShape() const { return companion::MemoryShape(getFollowingDim(), getLeadingDim()); }

    // This matrix addressed in the memory order of `target`, equal in dimensions.
    companion::Operand operand(const NVMatrix& target) const {
        return target._isTrans == _isTrans ? companion::Operand(_devData, _stride, 1)
                                           : companion::Operand(_devData, 1, _stride);
    }

protected:
    enum Storage { DEVICE, PINNED_HOST };

    explicit NVMatrix(Storage storage);

private:
    NVMatrix(const NVMatrix& parent, float* data, int numRows, int numCols, int stride, bool isTrans);

    companion::Operand broadcastOperand(const NVMatrix& target) const;
    void allocate(int numElements);
    void release();
    void setDims(int numRows, int numCols);
    void takeShapeOf(const NVMatrix& like);
    void aggregate(int axis, NVMatrix& target, bool maximum, float scaleTarget, float scaleSum) const;

    float* _devData;
    int _numRows;
    int _numCols;
    int _stride;
    bool _isTrans;
    bool _owns;
    Storage _storage;
};

// An NVMatrix whose memory is pinned, portable and readable by every device (2.12).
class HostNVMatrix : public NVMatrix {
public:
    HostNVMatrix();
};

#endif
