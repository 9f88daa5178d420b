// The CPU flavour's element-by-element loops: segments of lines in parallel, inside them loops that the compiler
// vectorises. Results do not depend on the number of threads.
#ifndef COMPANION_NVMATRIX_APPLY_CPU_H
#define COMPANION_NVMATRIX_APPLY_CPU_H

namespace companion {

// Elements of one line that are handled in one piece, and the work below which one thread does it all.
const long SEGMENT = 8192;
const long SERIAL = 32768;

// An operand's three ways of being walked along a line: neighbours, one repeated element, steps.
inline bool isUnit(const Operand& a) { return a.inner == 1; }

// A matrix without gaps in any operand is one long line.
template <class... Operands>
inline bool allFlat(const MemoryShape& shape, const Operands&... operands) {
    const bool flat[] = {operands.isFlat(shape)...};
    for (bool one : flat) {
        if (!one) {
            return false;
        }
    }
    return true;
}

// Calls line(o, from, to) for every line o and every segment [from, to) of it.
template <class Line>
inline void forEachSegment(const MemoryShape& shape, Line line) {
    const long segments = (shape.inner + SEGMENT - 1) / SEGMENT;
    const long pieces = shape.outer * segments;
    const long inner = shape.inner;
#pragma omp parallel for schedule(static) firstprivate(line) num_threads(companion_cpu::threads()) if (shape.count() > SERIAL)
    for (long piece = 0; piece < pieces; piece++) {
        const long from = piece % segments * SEGMENT;
        line(piece / segments, from, from + SEGMENT < inner ? from + SEGMENT : inner);
    }
}

// Before a loop whose iterations touch each address once, also where target and operand are the same matrix.
#define COMPANION_SIMD _Pragma("omp simd")

template <class Op>
void applyUnary(Op op, MemoryShape shape, Operand target, Operand a) {
    if (allFlat(shape, target, a)) {
        shape = MemoryShape(1, shape.count());
    }
    forEachSegment(shape, [=](long o, long from, long to) {
        Op f = op;
        float* const t = target.data + o * target.outer;
        const float* const x = a.data + o * a.outer;
        if (isUnit(a)) {
            COMPANION_SIMD
            for (long i = from; i < to; i++) {
                t[i] = f(x[i]);
            }
        } else {
            for (long i = from; i < to; i++) {
                t[i] = f(x[i * a.inner]);
            }
        }
    });
}

template <class Op>
void applyBinary(Op op, MemoryShape shape, Operand target, Operand a, Operand b) {
    if (allFlat(shape, target, a, b)) {
        shape = MemoryShape(1, shape.count());
    }
    forEachSegment(shape, [=](long o, long from, long to) {
        Op f = op;
        float* const t = target.data + o * target.outer;
        const float* const x = a.data + o * a.outer;
        const float* const y = b.data + o * b.outer;
        if (isUnit(a) && isUnit(b)) {
            COMPANION_SIMD
            for (long i = from; i < to; i++) {
                t[i] = f(x[i], y[i]);
            }
        } else if (isUnit(a) && b.inner == 0) {
            const float repeated = *y;
            COMPANION_SIMD
            for (long i = from; i < to; i++) {
                t[i] = f(x[i], repeated);
            }
        } else {
            for (long i = from; i < to; i++) {
                t[i] = f(x[i * a.inner], y[i * b.inner]);
            }
        }
    });
}

template <class Op>
void applyTernary(Op op, MemoryShape shape, Operand target, Operand a, Operand b, Operand c) {
    if (allFlat(shape, target, a, b, c)) {
        shape = MemoryShape(1, shape.count());
    }
    forEachSegment(shape, [=](long o, long from, long to) {
        Op f = op;
        float* const t = target.data + o * target.outer;
        const float* const x = a.data + o * a.outer;
        const float* const y = b.data + o * b.outer;
        const float* const z = c.data + o * c.outer;
        if (isUnit(a) && isUnit(b) && isUnit(c)) {
            COMPANION_SIMD
            for (long i = from; i < to; i++) {
                t[i] = f(x[i], y[i], z[i]);
            }
        } else {
            for (long i = from; i < to; i++) {
                t[i] = f(x[i * a.inner], y[i * b.inner], z[i * c.inner]);
            }
        }
    });
}

}  // namespace companion

#endif
