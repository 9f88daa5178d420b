// Copies and reductions of the CPU flavour. Sums are kept in double and added in an order that follows from the shape, so
// that no result depends on the number of threads.
#include <algorithm>
#include <numeric>
#include <vector>

#include "backend.h"

namespace companion {

namespace {

// Side of a square that is read along one direction and written along the other while it is in the cache.
const long TILE = 32;
// Elements of a line, or lines, that are summed in one go.
const long CHUNK = 4096;
// Columns whose running results fit in the first cache beside what is being read.
const long STRIP = 256;

long numPieces(long length, long piece) { return (length + piece - 1) / piece; }

double sumLine(const float* x, long step, long count) {
    double sum = 0;
    if (step == 1) {
        // Four sums, for one would make every addition wait for the one before it.
        double part[4] = {0, 0, 0, 0};
        long i = 0;
        for (; i + 4 <= count; i += 4) {
            for (int p = 0; p < 4; p++) {
                part[p] += x[i + p];
            }
        }
        for (; i < count; i++) {
            part[0] += x[i];
        }
        sum = (part[0] + part[1]) + (part[2] + part[3]);
    } else {
        for (long i = 0; i < count; i++) {
            sum += x[i * step];
        }
    }
    return sum;
}

float maxLine(const float* x, long step, long count) {
    const NVMatrixAggs::Max larger;
    float largest = larger.getBaseValue();
    for (long i = 0; i < count; i++) {
        largest = larger(largest, x[i * step]);
    }
    return largest;
}

void leave(Aggregation how, double sum, float& target) {
    const float scaled = how.scaleSum * static_cast<float>(sum);
    target = how.scaleTarget == 0 ? scaled : how.scaleTarget * target + scaled;
}

// Sums of columns [from, to) over lines [first, last), added to sums[from..to).
void addColumns(Operand source, long first, long last, long from, long to, double* sums) {
    for (long o = first; o < last; o++) {
        const float* const line = source.data + o * source.outer;
        for (long i = from; i < to; i++) {
            sums[i] += line[i * source.inner];
        }
    }
}

void maxOuter(MemoryShape shape, Operand source, float* target) {
    const long strips = numPieces(shape.inner, STRIP);
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (shape.count() > SERIAL)
    for (long s = 0; s < strips; s++) {
        const NVMatrixAggs::Max larger;
        const long from = s * STRIP, to = std::min(shape.inner, from + STRIP);
        std::fill(target + from, target + to, larger.getBaseValue());
        for (long o = 0; o < shape.outer; o++) {
            const float* const line = source.data + o * source.outer;
            for (long i = from; i < to; i++) {
                target[i] = larger(target[i], line[i * source.inner]);
            }
        }
    }
}

void copyTiles(MemoryShape shape, Operand target, Operand source) {
    const long down = numPieces(shape.outer, TILE), across = numPieces(shape.inner, TILE);
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (shape.count() > SERIAL)
    for (long tile = 0; tile < down * across; tile++) {
        const long firstOuter = tile / across * TILE, firstInner = tile % across * TILE;
        const long lastOuter = std::min(shape.outer, firstOuter + TILE);
        const long lastInner = std::min(shape.inner, firstInner + TILE);
        for (long o = firstOuter; o < lastOuter; o++) {
            for (long i = firstInner; i < lastInner; i++) {
                target.data[o * target.outer + i * target.inner] = source.data[o * source.outer + i * source.inner];
            }
        }
    }
}

}  // namespace

void copyElements(MemoryShape shape, Operand target, Operand source) {
    if (source.inner == 1) {
        applyUnary(NVMatrixOps::Identity(), shape, target, source);
    } else {
        copyTiles(shape, target, source);
    }
}

// All virtual devices share one memory.
Operand reachable(MemoryShape, Operand source) { return source; }

double sumAll(MemoryShape shape, Operand source) {
    if (source.isFlat(shape)) {
        shape = MemoryShape(1, shape.count());
    }
    const long perLine = numPieces(shape.inner, CHUNK);
    const long pieces = shape.outer * perLine;
    std::vector<double> parts(pieces);
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (shape.count() > SERIAL)
    for (long piece = 0; piece < pieces; piece++) {
        const long first = piece % perLine * CHUNK;
        parts[piece] = sumLine(source.data + piece / perLine * source.outer + first * source.inner, source.inner,
                               std::min(CHUNK, shape.inner - first));
    }
    return std::accumulate(parts.begin(), parts.end(), 0.0);
}

void reduceInner(Aggregation how, MemoryShape shape, Operand source, float* target) {
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (shape.count() > SERIAL)
    for (long o = 0; o < shape.outer; o++) {
        const float* const line = source.data + o * source.outer;
        if (how.maximum) {
            target[o] = maxLine(line, source.inner, shape.inner);
        } else {
            leave(how, sumLine(line, source.inner, shape.inner), target[o]);
        }
    }
}

void reduceOuter(Aggregation how, MemoryShape shape, Operand source, float* target) {
    if (how.maximum) {
        maxOuter(shape, source, target);
        return;
    }
    const long bands = std::max(1L, numPieces(shape.outer, CHUNK)), strips = numPieces(shape.inner, STRIP);
    std::vector<double> sums(bands * shape.inner, 0.0);
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (shape.count() > SERIAL)
    for (long piece = 0; piece < bands * strips; piece++) {
        const long band = piece / strips, from = piece % strips * STRIP;
        addColumns(source, band * CHUNK, std::min(shape.outer, (band + 1) * CHUNK), from,
                   std::min(shape.inner, from + STRIP), sums.data() + band * shape.inner);
    }
    for (long i = 0; i < shape.inner; i++) {
        double sum = 0;
        for (long band = 0; band < bands; band++) {
            sum += sums[band * shape.inner + i];
        }
        leave(how, sum, target[i]);
    }
}

}  // namespace companion
