// One matrix that is learned: weights of one input, or the biases. Update rule: engine-semantics section 4.2.
#ifndef STANDIN_PARAMETER_CUH
#define STANDIN_PARAMETER_CUH

#include <nvmatrix.cuh>

class Parameter {
public:
    Parameter(Matrix* host, Matrix* hostIncrement, float rate, float momentum, float decay, bool direct);

    NVMatrix& values() { return _values; }
    NVMatrix& gradient() { return _direct ? _increment : _gradient; }
    bool learns() const { return _rate > 0; }
    // Factor for what gradient() holds already, and for a new sum over `cases`. Call once per contribution.
    void contribution(int cases, float& scaleOld, float& scaleNew);

    void upload();
    void download();
    void update();

private:
    Parameter(const Parameter&);
    Parameter& operator=(const Parameter&);
    Matrix *_host, *_hostIncrement;
    NVMatrix _values, _increment, _gradient;
    float _rate, _momentum, _decay;
    bool _direct;
    int _contributions;
};

#endif
