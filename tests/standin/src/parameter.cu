// See parameter.cuh.
#include <helper_cuda.h>
#include <algorithm>
#include <math.h>
#include <parameter.cuh>

static const int STEP_THREADS = 256;
static const int STEP_BLOCKS_MAX = 4096;

template <bool direct>
__global__ void kStep(float* values, float* increment, const float* gradient, float rate, float momentum,
                      float decayRate, int numElements) {
    for (int i = blockIdx.x * STEP_THREADS + threadIdx.x; i < numElements; i += gridDim.x * STEP_THREADS) {
        float step = direct ? increment[i] : momentum * increment[i] + rate * gradient[i];
        step -= decayRate * values[i];
        increment[i] = step;
        values[i] += step;
    }
}

Schedule::Schedule(const Dict& dict, float base) : _type(dict.text("type")), _base(base), _final(base) {
    if (_type != "default") {
        _final = _base / dict.dict("params").number("tgtFactor");
    }
}

float Schedule::rate(float progress) const {
    if (_type == "linear") {
        return (float)(_base * (1 - progress) + _final * progress);
    }
    if (_type == "exp" && _base > 0 && _base != 1) {
        return (float)pow(_base, 1 + progress * (log(_final) / log(_base) - 1));
    }
    return (float)_base;
}

Parameter::Parameter(Matrix* host, Matrix* hostIncrement, const Schedule& schedule, float momentum, float decay,
                     bool direct)
    : _host(host), _hostIncrement(hostIncrement), _schedule(schedule), _momentum(momentum), _decay(decay), _direct(direct),
      _contributions(0) {}

void Parameter::contribution(int cases, float progress, bool check, float& scaleOld, float& scaleNew) {
    const bool first = _contributions++ == 0;
    scaleOld = first ? (_direct && !check ? _momentum : 0) : 1;
    scaleNew = check ? 1 : (_direct ? _schedule.rate(progress) : 1) / cases;
}

void Parameter::upload() {
    _values.copyFromHost(*_host, true);
    _increment.copyFromHost(*_hostIncrement, true);
}

void Parameter::download() {
    _values.copyToHost(*_host);
    _increment.copyToHost(*_hostIncrement);
}

void Parameter::update(float progress) {
    if (!learns() || _contributions == 0) {
        return;
    }
    const int numElements = _values.getNumElements();
    const float rate = _schedule.rate(progress);
    const float decayRate = (float)((double)_decay * rate);
    dim3 threads(STEP_THREADS);
    dim3 blocks(std::min(DIVUP(numElements, STEP_THREADS), STEP_BLOCKS_MAX));
    if (_direct) {
        kStep<true><<<blocks, threads>>>(_values.getDevData(), _increment.getDevData(), NULL, rate, _momentum,
                                         decayRate, numElements);
    } else {
        kStep<false><<<blocks, threads>>>(_values.getDevData(), _increment.getDevData(), _gradient.getDevData(), rate,
                                          _momentum, decayRate, numElements);
    }
    getLastCudaError("kStep: launch failed");
    _contributions = 0;
}
