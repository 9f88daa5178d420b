// The functors of the matrix library that the release names (companion-native 3.1) and those the library itself needs.
// Taken and called by value everywhere (3.3).
#ifndef COMPANION_NVMATRIX_OPERATORS_CUH
#define COMPANION_NVMATRIX_OPERATORS_CUH

#include <cuda_runtime.h>
#include <math.h>

#if !defined(COMPANION_CPU) && !defined(__CUDACC__)
// The host compiler in the CUDA flavour reads device code and never calls it.
float __fdividef(float a, float b);
#endif

namespace NVMatrixOps {

class Exp {
public:
    __device__ inline float operator()(float a) const { return __expf(a); }
};

class Logistic {
public:
    __device__ inline float operator()(float a) const { return __fdividef(1.0f, 1.0f + __expf(-a)); }
};

class Abs {
public:
    __device__ inline float operator()(float a) const { return fabsf(a); }
};

class Square {
public:
    __device__ inline float operator()(float a) const { return a * a; }
};

class Sqrt {
public:
    __device__ inline float operator()(float a) const { return sqrtf(a); }
};

class Zero {
public:
    __device__ inline float operator()(float) const { return 0.0f; }
};

class Identity {
public:
    __device__ inline float operator()(float a) const { return a; }
};

class MultByScalar {
public:
    explicit MultByScalar(float factor) : _factor(factor) {}
    __device__ inline float operator()(float a) const { return a * _factor; }

private:
    float _factor;
};

class SmallerThanScalar {
public:
    explicit SmallerThanScalar(float bound) : _bound(bound) {}
    __device__ inline float operator()(float a) const { return a < _bound ? 1.0f : 0.0f; }

private:
    float _bound;
};

}  // namespace NVMatrixOps

namespace NVMatrixBinaryOps {

class Multiply {
public:
    __device__ inline float operator()(float a, float b) const { return a * b; }
};

class Divide {
public:
    __device__ inline float operator()(float a, float b) const { return __fdividef(a, b); }
};

class WeightedAdd {
public:
    WeightedAdd(float scaleA, float scaleB) : _scaleA(scaleA), _scaleB(scaleB) {}
    __device__ inline float operator()(float a, float b) const { return a * _scaleA + b * _scaleB; }

private:
    float _scaleA;
    float _scaleB;
};

}  // namespace NVMatrixBinaryOps

namespace NVMatrixAggs {

class Max {
public:
    __device__ inline float operator()(float a, float b) const { return a > b ? a : b; }
    // What the running maximum starts from (engine-semantics 8).
    __host__ __device__ inline float getBaseValue() const { return -2e38f; }
};

}  // namespace NVMatrixAggs

#endif
