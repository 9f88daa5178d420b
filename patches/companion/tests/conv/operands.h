// Operands in every storage form, and the scale rules of section 4.1 applied to any function with a target: what the
// conformance cases of this folder share.
#ifndef COMPANION_TESTS_CONV_OPERANDS_H
#define COMPANION_TESTS_CONV_OPERANDS_H

#include <conv_util.cuh>

#include <memory>

#include "dense.h"

namespace check {

enum Form { PLAIN, COLUMN_MAJOR, STRIDED, ODD_START };

// A device matrix with the elements of m: dense, column-major, a view into a wider matrix full of NaN, or dense from an
// address that is a multiple of one element alone.
class Held {
public:
    Held(const Dense& m, Form form = PLAIN) {
        if (form == STRIDED) {
            _owner.reset(new NVMatrix(m.rows, m.cols + 3));
            upload(Dense(m.rows, m.cols + 3, NOT_A_NUMBER), *_owner);
            _view.reset(&_owner->sliceCols(2, 2 + m.cols));
            upload(m, *_view);
        } else if (form == ODD_START) {
            _owner.reset(new NVMatrix(1 + m.rows * m.cols, 1));
            _view.reset(&_owner->sliceRows(1, 1 + m.rows * m.cols));
            _view->reshape(m.rows, m.cols);
            upload(m, *_view);
        } else {
            _owner = device(m, form == COLUMN_MAJOR);
        }
    }
    NVMatrix& operator*() { return _view ? *_view : *_owner; }

private:
    std::unique_ptr<NVMatrix> _owner;
    std::unique_ptr<NVMatrix> _view;
};

inline Dense combined(const Dense& old, double scaleOld, const Dense& result, double scaleResult) {
    Dense out = result;
    for (size_t i = 0; i < out.at.size(); i++)
        out.at[i] = (scaleOld == 0 ? 0 : scaleOld * old.at[i]) + scaleResult * result.at[i];
    return out;
}

// call(target) always overwrites: from nothing, from NaN, from another size, into column-major and strided targets.
template <class Call>
void overwrites(const Dense& result, double tolerance, const Call& call) {
    NVMatrix empty;
    call(empty);
    CHECK_MATRIX(empty, result, tolerance);
    Held other(Dense(2, 3, NOT_A_NUMBER));
    call(*other);
    CHECK_MATRIX(*other, result, tolerance);
    const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED, ODD_START};
    for (Form form : forms) {
        Held target(Dense(result.rows, result.cols, NOT_A_NUMBER), form);
        call(*target);
        CHECK_MATRIX(*target, result, tolerance);
    }
}

// call(target, scaleTargets, scaleOutput): the overwriting rules with scale 0, then accumulation into all forms.
template <class Call>
void scales(const Dense& result, double tolerance, const Call& call) {
    overwrites(result, tolerance, [&](NVMatrix& target) { call(target, 0.0f, 1.0f); });
    overwrites(combined(result, 0, result, -0.5), tolerance, [&](NVMatrix& target) { call(target, 0.0f, -0.5f); });
    const Dense old = random(result.rows, result.cols, 99);
    const Form forms[] = {PLAIN, COLUMN_MAJOR, STRIDED, ODD_START};
    for (Form form : forms) {
        Held once(old, form);
        call(*once, 1.0f, 1.0f);
        CHECK_MATRIX(*once, combined(old, 1, result, 1), tolerance);
        Held mixed(old, form);
        call(*mixed, -0.5f, 2.0f);
        CHECK_MATRIX(*mixed, combined(old, -0.5, result, 2), tolerance);
    }
}

// Operands in an unusual form: one call tells whether they are read aright; the target's rules are those of PLAIN.
template <class Call>
void overwritesIn(Form form, const Dense& result, double tolerance, const Call& call) {
    if (form == PLAIN) {
        overwrites(result, tolerance, call);
        return;
    }
    NVMatrix target;
    call(target);
    CHECK_MATRIX(target, result, tolerance);
}

template <class Call>
void scalesIn(Form form, const Dense& result, double tolerance, const Call& call) {
    if (form == PLAIN) {
        scales(result, tolerance, call);
        return;
    }
    NVMatrix target;
    call(target, 0.0f, 1.0f);
    CHECK_MATRIX(target, result, tolerance);
}

}  // namespace check

#endif
