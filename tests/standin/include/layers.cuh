// The kinds of layers; formulas: engine-semantics sections 2 and 3.
#ifndef STANDIN_LAYERS_CUH
#define STANDIN_LAYERS_CUH

#include <layer.cuh>
#include <parameter.cuh>

class DataLayer : public Layer {
public:
    DataLayer(Net& net, const Dict& dict) : Layer(net, dict, false), _index(dict.integer("dataIdx")) {}
    int index() const { return _index; }

protected:
    void forward(int, Pass, float) {}
    int _index;
};

class WeightLayer : public Layer {
public:
    WeightLayer(Net& net, const Dict& dict, bool transposed, bool direct);
    ~WeightLayer();
    const std::vector<Parameter*>& weights() const { return _weights; }
    Parameter& biases() { return *_biases; }
    // How far the gradient check moves an element of the weights, and of the biases (engine-semantics section 6.4).
    virtual float weightStep() const = 0;
    virtual float biasStep() const = 0;
    void upload();
    void download();
    void update();

protected:
    void backwardParameters(Pass pass);
    virtual void backwardBiases(float scaleOld, float scaleNew) = 0;
    virtual void backwardWeights(int i, float scaleOld, float scaleNew) = 0;
    bool learns() const;
    std::vector<Parameter*> _weights;
    Parameter* _biases;
};

class FullLayer : public WeightLayer {
public:
    FullLayer(Net& net, const Dict& dict) : WeightLayer(net, dict, true, true) {}
    float weightStep() const { return 0.01f; }
    float biasStep() const { return 0.01f; }

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    void backwardBiases(float scaleOld, float scaleNew);
    void backwardWeights(int i, float scaleOld, float scaleNew);
};

class ConvolutionLayer : public WeightLayer {
public:
    ConvolutionLayer(Net& net, const Dict& dict);
    float weightStep() const { return 0.02f; }
    float biasStep() const { return 0.05f; }

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    void backwardBiases(float scaleOld, float scaleNew);
    void backwardWeights(int i, float scaleOld, float scaleNew);
    std::vector<int> _channels, _padding, _stride, _filterSize, _imgSize, _groups, _filterChannels;
    int _filters, _modulesX, _modules, _partialSum;
    bool _sharedBiases;
    NVMatrix _partial;
};

class NeuronLayer : public Layer {
public:
    NeuronLayer(Net& net, const Dict& dict);

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    std::string _kind;
    float _a, _b;
};

class PoolLayer : public Layer {
public:
    PoolLayer(Net& net, const Dict& dict);

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    int _channels, _sizeX, _start, _stride, _outputsX, _imgSize;
    bool _max;
};

class CrossMapNormLayer : public Layer {
public:
    CrossMapNormLayer(Net& net, const Dict& dict);

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    int _channels, _size;
    float _scale, _pow, _minDiv;
    bool _blocked;
    NVMatrix _denoms;
};

class DropoutLayer : public Layer {
public:
    DropoutLayer(Net& net, const Dict& dict)
        : Layer(net, dict, false), _enable(dict.integer("enable") != 0), _keep(dict.number("keep")) {}

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    bool _enable;
    float _keep;
    NVMatrix _mask;
};

class SoftmaxLayer : public Layer {
public:
    SoftmaxLayer(Net& net, const Dict& dict) : Layer(net, dict, true) {}

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
};

class LabelCostLayer : public Layer {
public:
    LabelCostLayer(Net& net, const Dict& dict)
        : Layer(net, dict, false), _coeff(dict.number("coeff")), _topk(dict.integer("topk")), _views(0) {}
    bool isCost() const { return true; }
    const std::vector<double>& values() const { return _values; }
    NVMatrix& meanProbabilities() { return _sum; }
    NVMatrix& labels() { return in(0); }
    float coeff() const { return _coeff; }

protected:
    void forward(int i, Pass pass, float scaleTargets);
    bool startsBackward() const { return _coeff != 0; }
    float _coeff;
    int _topk, _views;
    NVMatrix _sum, _top1, _topK;
    std::vector<double> _values;
};

// Throws std::runtime_error for a kind that the stand-in has not.
Layer* makeLayer(Net& net, const Dict& dict);

#endif
