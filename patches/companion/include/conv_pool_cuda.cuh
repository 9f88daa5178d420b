// The CUDA flavour's forward pooling.
#ifndef COMPANION_CONV_POOL_CUDA_CUH
#define COMPANION_CONV_POOL_CUDA_CUH

#include <conv_launch_cuda.cuh>

namespace conv_backend {

template <class Pooler>
struct Pooling {
    PoolShape s;
    const float* images;
    float* target;
    Pooler pooler;

    template <int N>
    __device__ void run(const Place& p) const {
        const Range xs = s.clipped(p.x), ys = s.clipped(p.y);
        const float* const map = images + p.map * s.imgSize * s.imgSize * s.cases + p.i;
        Lanes<N> pooled;
#pragma unroll
        for (int l = 0; l < N; l++) {
            pooled.at[l] = pooler.getBaseValue();
        }
        for (int y = ys.first; y < ys.last; y++) {
            for (int x = xs.first; x < xs.last; x++) {
                const Lanes<N> image = loadLanes<N>(map + (y * s.imgSize + x) * s.cases);
#pragma unroll
                for (int l = 0; l < N; l++) {
                    pooled.at[l] = pooler(pooled.at[l], image.at[l]);
                }
            }
        }
#pragma unroll
        for (int l = 0; l < N; l++) {
            pooled.at[l] = pooler.output(pooled.at[l], ys.count() * xs.count());
        }
        storeLanes(target + p.at, pooled);
    }
};

template <class Pooler>
void pool(const PoolShape& s, const float* images, float* target, Pooler pooler) {
    const Maps maps = {s.channels, s.outputs, s.outputs, s.cases};
    const Pooling<Pooler> body = {s, images, target, pooler};
    forEachPlace("pooling", maps, body, images, target);
}

}  // namespace conv_backend

#endif
