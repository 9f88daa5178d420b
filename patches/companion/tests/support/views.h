// Matrices in every storage a caller can hand over: both flags, owning or a view with gaps inside a larger matrix.
#ifndef COMPANION_TESTS_VIEWS_H
#define COMPANION_TESTS_VIEWS_H

#include "dense.h"

namespace check {

struct Storage {
    bool trans;
    bool view;
};

const Storage STORAGES[] = {{false, false}, {true, false}, {false, true}, {true, true}};

const double BORDER = -77;

// A matrix in one storage. A view lies two lines and three elements inside its parent, whose other elements are BORDER.
class Stored {
public:
    Stored(const Dense& values, Storage storage) : _rows(values.rows), _cols(values.cols) {
        if (storage.view) {
            _parent = device(Dense(values.rows + 5, values.cols + 7, BORDER), storage.trans);
            std::unique_ptr<NVMatrix> band(&_parent->sliceRows(2, 2 + values.rows));
            _matrix.reset(&band->sliceCols(3, 3 + values.cols));
        } else {
            _matrix.reset(new NVMatrix(values.rows, values.cols, storage.trans));
        }
        upload(values, *_matrix);
    }

    NVMatrix& operator*() { return *_matrix; }
    NVMatrix* operator->() { return _matrix.get(); }

    // Nothing outside the view was written.
    bool borderIsIntact() const {
        if (!_parent) {
            return true;
        }
        const Dense all = download(*_parent);
        for (int i = 0; i < all.rows; i++) {
            for (int j = 0; j < all.cols; j++) {
                const bool inside = i >= 2 && i < 2 + _rows && j >= 3 && j < 3 + _cols;
                if (!inside && all(i, j) != BORDER) {
                    return false;
                }
            }
        }
        return true;
    }

private:
    int _rows, _cols;
    std::unique_ptr<NVMatrix> _parent;
    std::unique_ptr<NVMatrix> _matrix;
};

struct Shape {
    int rows, cols;
};

// Odd sizes, single rows and columns, and one beyond every tile and segment length of the library.
const Shape SHAPES[] = {{1, 1}, {1, 7}, {9, 1}, {5, 3}, {33, 65}, {130, 31}, {600, 12},
                        {3, 9001}, {9001, 1}};

}  // namespace check

#endif
