// The CUDA flavour's forward pooling: one thread for each output and case. The pooler is a kernel parameter by value and is
// called as that parameter (companion-native 3.3).
#ifndef COMPANION_CONV_POOL_CUDA_CUH
#define COMPANION_CONV_POOL_CUDA_CUH

namespace conv_backend {

const int POOL_THREADS = 256;

template <class Pooler>
__global__ void kPool(PoolShape s, const float* images, float* target, size_t count, Pooler pooler) {
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (size_t)gridDim.x * blockDim.x) {
        const int i = (int)(at % s.cases), output = (int)(at / s.cases);
        const Range xs = s.clipped(output % s.outputs), ys = s.clipped(output / s.outputs % s.outputs);
        const float* map = images + (size_t)(output / s.outputs / s.outputs) * s.imgSize * s.imgSize * s.cases + i;
        float sum = pooler.getBaseValue();
        for (int y = ys.first; y < ys.last; y++) {
            for (int x = xs.first; x < xs.last; x++) {
                sum = pooler(sum, map[(size_t)(y * s.imgSize + x) * s.cases]);
            }
        }
        target[at] = pooler.output(sum, ys.count() * xs.count());
    }
}

template <class Pooler>
void pool(const PoolShape& s, const float* images, float* target, Pooler pooler) {
    const size_t count = (size_t)s.channels * s.outputs * s.outputs * s.cases;
    if (count == 0) {
        return;
    }
    const size_t blocks = (count + POOL_THREADS - 1) / POOL_THREADS, most = 1 << 20;
    kPool<Pooler><<<(unsigned int)(blocks < most ? blocks : most), POOL_THREADS>>>(s, images, target, count, pooler);
    getLastCudaError("pooling");
}

}  // namespace conv_backend

#endif
