// The matrices of one batch on the host, cut into minibatches. Plain C++: compiled by the host compiler alone.
#ifndef STANDIN_BATCH_H
#define STANDIN_BATCH_H

#include <matrix.h>
#include <vector>

class Batch {
public:
    // Takes ownership of the matrices; cases are columns. Throws std::runtime_error unless all have as many.
    explicit Batch(const std::vector<Matrix*>& matrices);
    ~Batch();

    long cases() const { return _cases; }
    // Number of minibatches of `size` columns among the first `cases` columns; the last may be short.
    static long minibatches(long cases, long size);
    // Columns [start, end) of matrix `index`: a new object, a view where the columns are contiguous.
    Matrix& columns(size_t index, long start, long end) const;
    size_t count() const { return _matrices.size(); }

private:
    Batch(const Batch&);
    Batch& operator=(const Batch&);
    std::vector<Matrix*> _matrices;
    long _cases;
};

#endif
