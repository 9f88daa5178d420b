// See batch.h.
#include <batch.h>
#include <stdexcept>

Batch::Batch(const std::vector<Matrix*>& matrices) : _matrices(matrices), _cases(0) {
    for (size_t i = 0; i < _matrices.size(); i++) {
        const long columns = _matrices[i]->getNumCols();
        if (i > 0 && columns != _cases) {
            throw std::runtime_error("the matrices of a batch differ in their number of cases");
        }
        if (_matrices[i]->isTrans() != _matrices[0]->isTrans()) {
            throw std::runtime_error("the matrices of a batch differ in their orientation");
        }
        _cases = columns;
    }
    if (_cases == 0) {
        throw std::runtime_error("an empty batch");
    }
}

Batch::~Batch() {
    for (size_t i = 0; i < _matrices.size(); i++) {
        delete _matrices[i];
    }
}

long Batch::minibatches(long cases, long size) {
    return (cases + size - 1) / size;
}

Matrix& Batch::columns(size_t index, long start, long end) const {
    return _matrices.at(index)->sliceCols(start, end);
}
