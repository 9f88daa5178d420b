// One matrix that is learned: weights of one input, or the biases. Update rule and schedules: engine-semantics sections
// 4.2 and 4.4 (default, linear, exp; no noise).
#ifndef STANDIN_PARAMETER_CUH
#define STANDIN_PARAMETER_CUH

#include <dict.cuh>

class Schedule {
public:
    Schedule(const Dict& dict, float base);
    float base() const { return (float)_base; }
    float rate(float progress) const;

private:
    std::string _type;
    double _base, _final;
};

class Parameter {
public:
    Parameter(Matrix* host, Matrix* hostIncrement, const Schedule& schedule, float momentum, float decay, bool direct);

    NVMatrix& values() { return _values; }
    NVMatrix& gradient() { return _direct ? _increment : _gradient; }
    bool learns() const { return _schedule.base() > 0; }
    // Factor for what gradient() holds already, and for a new sum over `cases`: unscaled in a gradient check, whose
    // gradients are plain sums. Call once per contribution.
    void contribution(int cases, float progress, bool check, float& scaleOld, float& scaleNew);
    // The values on the host; what is changed there counts from setValues() on.
    Matrix& host() { return *_host; }
    void setValues() { _values.copyFromHost(*_host, true); }

    void upload();
    void download();
    void update(float progress);

private:
    Parameter(const Parameter&);
    Parameter& operator=(const Parameter&);
    Matrix *_host, *_hostIncrement;
    NVMatrix _values, _increment, _gradient;
    Schedule _schedule;
    float _momentum, _decay;
    bool _direct;
    int _contributions;
};

#endif
