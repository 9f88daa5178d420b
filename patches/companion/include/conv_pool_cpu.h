// The CPU flavour's forward pooling: a line of outputs per task, inside it loops over cases that the compiler vectorises.
#ifndef COMPANION_CONV_POOL_CPU_H
#define COMPANION_CONV_POOL_CPU_H

namespace conv_backend {

template <class Pooler>
void poolLine(const PoolShape& s, const float* images, float* target, long line, Pooler pooler) {
    const long cases = s.cases;
    const Range ys = s.clipped(static_cast<int>(line % s.outputs));
    const float* map = images + line / s.outputs * s.imgSize * s.imgSize * cases;
    for (int ox = 0; ox < s.outputs; ox++) {
        const Range xs = s.clipped(ox);
        const int region = ys.count() * xs.count();
        float* out = target + (line * s.outputs + ox) * cases;
        for (long i = 0; i < cases; i++) {
            out[i] = pooler.getBaseValue();
        }
        for (int y = ys.first; y < ys.last; y++) {
            for (int x = xs.first; x < xs.last; x++) {
                const float* in = map + (static_cast<long>(y) * s.imgSize + x) * cases;
                COMPANION_SIMD
                for (long i = 0; i < cases; i++) {
                    out[i] = pooler(out[i], in[i]);
                }
            }
        }
        for (long i = 0; i < cases; i++) {
            out[i] = pooler.output(out[i], region);
        }
    }
}

template <class Pooler>
void pool(const PoolShape& s, const float* images, float* target, Pooler pooler) {
    const long lines = static_cast<long>(s.channels) * s.outputs;
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(companion_cpu::threads()) if (lines > 1)
#endif
    for (long line = 0; line < lines; line++) {
        poolLine(s, images, target, line, pooler);
    }
}

}  // namespace conv_backend

#endif
