// See layers.cuh.
#include <cudaconv2.cuh>
#include <kernels.cuh>
#include <layers.cuh>
#include <net.cuh>
#include <nvmatrix_operators.cuh>
#include <stdexcept>

// ---- what the matrix library applies

struct Relu {
    __device__ inline float operator()(const float x) const { return x < 0 ? 0 : x; }
};
struct ReluGradient {
    __device__ inline float operator()(const float grad, const float act) const { return grad * (act > 0); }
};
class Tanh {
    float _a, _b2;

public:
    Tanh(float a, float b) : _a(a), _b2(-2 * b) {}
    // Virtual as in functors of the time: the library has to call it by value.
    virtual __device__ inline float operator()(float x) const { return _a * (__fdividef(2, 1 + __expf(_b2 * x)) - 1); }
};
class TanhGradient {
    float _a, _b;

public:
    TanhGradient(float a, float b) : _a(a), _b(b) {}
    __device__ inline float operator()(float grad, float act) const { return grad * _b * (_a - act * act / _a); }
};
struct LogisticGradient {
    __device__ inline float operator()(const float grad, const float act) const { return grad * act * (1 - act); }
};
template <class Op>
class AddTo {
    Op _op;

public:
    explicit AddTo(Op op) : _op(op) {}
    __device__ inline float operator()(float a, float b, float old) const { return _op(a, b) + old; }
};

template <class Op>
static void applyGradient(Op op, NVMatrix& grad, NVMatrix& other, NVMatrix& target, float scaleTargets) {
    if (scaleTargets == 0) {
        grad.applyBinary(op, other, target);
    } else {
        grad.applyTernary(AddTo<Op>(op), other, target, target);
    }
}

// ---- layers with weights

WeightLayer::WeightLayer(Net& net, const Dict& dict, bool transposed, bool direct) : Layer(net, dict, transposed) {
    std::vector<Matrix*> weights = dict.matrices("weights"), increments = dict.matrices("weightsInc");
    std::vector<float> rates = dict.numbers("epsW"), momenta = dict.numbers("momW"), decays = dict.numbers("wc");
    for (size_t i = 0; i < weights.size(); i++) {
        _weights.push_back(new Parameter(weights[i], increments[i], Schedule(dict.dict("schedW"), rates[i]),
                                         momenta[i], decays[i], direct));
    }
    _biases = new Parameter(dict.matrix("biases"), dict.matrix("biasesInc"),
                            Schedule(dict.dict("schedB"), dict.number("epsB")), dict.number("momB"), 0, false);
}

WeightLayer::~WeightLayer() {
    for (Parameter* weights : _weights) delete weights;
    delete _biases;
}

void WeightLayer::upload() {
    for (Parameter* weights : _weights) weights->upload();
    _biases->upload();
}

void WeightLayer::download() {
    for (Parameter* weights : _weights) weights->download();
    _biases->download();
}

void WeightLayer::update() {
    for (Parameter* weights : _weights) weights->update(_net.progress());
    _biases->update(_net.progress());
}

bool WeightLayer::learns() const {
    bool any = _biases->learns();
    for (Parameter* weights : _weights) any |= weights->learns();
    return any;
}

void WeightLayer::backwardParameters(Pass pass) {
    const int cases = _net.gradientCases(_transposed ? _grad.getNumRows() : _grad.getNumCols());
    float scaleOld, scaleNew;
    if (_biases->learns()) {
        _biases->contribution(cases, _net.progress(), pass == CHECK, scaleOld, scaleNew);
        backwardBiases(scaleOld, scaleNew);
    }
    for (size_t i = 0; i < _weights.size(); i++) {
        if (_weights[i]->learns()) {
            _weights[i]->contribution(cases, _net.progress(), pass == CHECK, scaleOld, scaleNew);
            backwardWeights(i, scaleOld, scaleNew);
        }
    }
}

void FullLayer::forward(int i, Pass, float scaleTargets) {
    _acts.addProduct(in(i), _weights[i]->values(), scaleTargets, 1);
    if (scaleTargets == 0) {
        _acts.addVector(_biases->values());
    }
}

bool FullLayer::backward(int i, Pass, float scaleTargets, NVMatrix& target) {
    NVMatrix& turned = _weights[i]->values().getTranspose();
    target.addProduct(_grad, turned, scaleTargets, 1);
    delete &turned;
    return true;
}

void FullLayer::backwardBiases(float scaleOld, float scaleNew) {
    _biases->gradient().addSum(_grad, 0, scaleOld, scaleNew);
}

void FullLayer::backwardWeights(int i, float scaleOld, float scaleNew) {
    NVMatrix& turned = in(i).getTranspose();
    _weights[i]->gradient().addProduct(turned, _grad, scaleOld, scaleNew);
    delete &turned;
}

ConvolutionLayer::ConvolutionLayer(Net& net, const Dict& dict)
    : WeightLayer(net, dict, false, false), _channels(dict.integers("channels")), _padding(dict.integers("padding")),
      _stride(dict.integers("stride")), _filterSize(dict.integers("filterSize")), _imgSize(dict.integers("imgSize")),
      _groups(dict.integers("groups")), _filterChannels(dict.integers("filterChannels")),
      _filters(dict.integer("filters")), _modulesX(dict.integer("modulesX")), _modules(dict.integer("modules")),
      _partialSum(dict.integer("partialSum")), _sharedBiases(dict.integer("sharedBiases") != 0) {}

void ConvolutionLayer::forward(int i, Pass, float scaleTargets) {
    convFilterActs(in(i), _weights[i]->values(), _acts, _imgSize[i], _modulesX, _modulesX, _padding[i], _stride[i],
                   _channels[i], _groups[i], scaleTargets, 1);
    if (scaleTargets == 0) {
        const int cases = _acts.getNumCols();
        if (_sharedBiases) {
            _acts.reshape(_filters, _modules * cases);
        }
        _acts.addVector(_biases->values());
        _acts.reshape(_filters * _modules, cases);
    }
}

bool ConvolutionLayer::backward(int i, Pass, float scaleTargets, NVMatrix& target) {
    convImgActs(_grad, _weights[i]->values(), target, _imgSize[i], _imgSize[i], _modulesX, _padding[i], _stride[i],
                _channels[i], _groups[i], scaleTargets, 1);
    return true;
}

void ConvolutionLayer::backwardBiases(float scaleOld, float scaleNew) {
    const int cases = _grad.getNumCols();
    if (_sharedBiases) {
        _grad.reshape(_filters, _modules * cases);
    }
    _biases->gradient().addSum(_grad, 1, scaleOld, scaleNew);
    _grad.reshape(_filters * _modules, cases);
}

void ConvolutionLayer::backwardWeights(int i, float scaleOld, float scaleNew) {
    NVMatrix& gradient = _weights[i]->gradient();
    if (_partialSum == 0) {
        convWeightActs(in(i), _grad, gradient, _imgSize[i], _modulesX, _modulesX, _filterSize[i], _padding[i],
                       _stride[i], _channels[i], _groups[i], 0, scaleOld, scaleNew);
        return;
    }
    convWeightActs(in(i), _grad, _partial, _imgSize[i], _modulesX, _modulesX, _filterSize[i], _padding[i], _stride[i],
                   _channels[i], _groups[i], _partialSum, 0, scaleNew);
    const int rows = _filterChannels[i] * _filterSize[i] * _filterSize[i];
    _partial.reshape(_modules / _partialSum, rows * _filters);
    gradient.addSum(_partial, 0, scaleOld, 1);
    gradient.reshape(rows, _filters);
}

// ---- layers without weights

NeuronLayer::NeuronLayer(Net& net, const Dict& dict) : Layer(net, dict, true), _a(0), _b(0) {
    const Dict neuron = dict.dict("neuron");
    _kind = neuron.text("type");
    if (_kind == "tanh") {
        _a = neuron.dict("params").number("a");
        _b = neuron.dict("params").number("b");
    } else if (_kind != "relu" && _kind != "logistic") {
        throw std::runtime_error("the stand-in has no neuron " + _kind);
    }
}

void NeuronLayer::forward(int i, Pass, float) {
    if (_kind == "relu") {
        in(i).apply(Relu(), _acts);
    } else if (_kind == "tanh") {
        in(i).apply(Tanh(_a, _b), _acts);
    } else {
        in(i).apply(NVMatrixOps::Logistic(), _acts);
    }
}

bool NeuronLayer::backward(int, Pass, float scaleTargets, NVMatrix& target) {
    if (_kind == "relu") {
        applyGradient(ReluGradient(), _grad, _acts, target, scaleTargets);
    } else if (_kind == "tanh") {
        applyGradient(TanhGradient(_a, _b), _grad, _acts, target, scaleTargets);
    } else {
        applyGradient(LogisticGradient(), _grad, _acts, target, scaleTargets);
    }
    return true;
}

PoolLayer::PoolLayer(Net& net, const Dict& dict)
    : Layer(net, dict, false), _channels(dict.integer("channels")), _sizeX(dict.integer("sizeX")),
      _start(dict.integer("start")), _stride(dict.integer("stride")), _outputsX(dict.integer("outputsX")),
      _imgSize(dict.integer("imgSize")), _max(dict.text("pool") == "max") {
    if (!_max && dict.text("pool") != "avg") {
        throw std::runtime_error("the stand-in has no pool " + dict.text("pool"));
    }
}

void PoolLayer::forward(int i, Pass, float) {
    if (_max) {
        convLocalPool(in(i), _acts, _channels, _sizeX, _start, _stride, _outputsX, MaxPooler());
    } else {
        convLocalPool(in(i), _acts, _channels, _sizeX, _start, _stride, _outputsX, AvgPooler());
    }
}

bool PoolLayer::backward(int i, Pass, float scaleTargets, NVMatrix& target) {
    if (_max) {
        convLocalMaxUndo(in(i), _grad, _acts, target, _sizeX, _start, _stride, _outputsX, scaleTargets, 1);
    } else {
        convLocalAvgUndo(_grad, target, _sizeX, _start, _stride, _outputsX, _imgSize, scaleTargets, 1);
    }
    return true;
}

CrossMapNormLayer::CrossMapNormLayer(Net& net, const Dict& dict)
    : Layer(net, dict, false), _channels(dict.integer("channels")), _size(dict.integer("size")),
      _scale(dict.number("scale")), _pow(dict.number("pow")), _minDiv(dict.number("minDiv")),
      _blocked(dict.integer("blocked") != 0) {}

void CrossMapNormLayer::forward(int i, Pass, float) {
    convResponseNormCrossMap(in(i), _denoms, _acts, _channels, _size, _scale, _pow, _minDiv, _blocked);
}

bool CrossMapNormLayer::backward(int i, Pass, float scaleTargets, NVMatrix& target) {
    convResponseNormCrossMapUndo(_grad, _denoms, in(i), _acts, target, _channels, _size, _scale, _pow, _blocked,
                                 scaleTargets, 1);
    return true;
}

void DropoutLayer::forward(int i, Pass pass, float) {
    if (_enable && pass == TRAIN) {
        _mask.resize(in(i));
        _mask.randomizeUniform();
        _mask.smallerThanScalar(_keep);
        in(i).eltwiseMult(_mask, _acts);
    } else {
        in(i).scale(_keep, _acts);
    }
}

bool DropoutLayer::backward(int, Pass pass, float scaleTargets, NVMatrix& target) {
    if (_enable && pass == TRAIN) {
        applyGradient(NVMatrixBinaryOps::Multiply(), _grad, _mask, target, scaleTargets);
    } else if (scaleTargets == 0) {
        _grad.scale(_keep, target);
    } else {
        target.add(_grad, 1, _keep);
    }
    return true;
}

void SoftmaxLayer::forward(int i, Pass, float) {
    NVMatrix& max = in(i).max(1);
    in(i).addVector(max, -1, _acts);
    _acts.apply(NVMatrixOps::Exp());
    NVMatrix& sum = _acts.sum(1);
    _acts.eltwiseDivideByVector(sum);
    delete &max;
    delete &sum;
}

// Only the form fused with its label cost: the Python side refuses any other use.
bool SoftmaxLayer::backward(int, Pass, float scaleTargets, NVMatrix& target) {
    LabelCostLayer* cost = dynamic_cast<LabelCostLayer*>(_consumers.at(0));
    softmaxLabelGradient(cost->labels(), _acts, target, scaleTargets == 1, cost->coeff());
    return true;
}

void LabelCostLayer::forward(int i, Pass pass, float) {
    if (i > 0) {
        return;
    }
    NVMatrix* probs = &in(1);
    if (pass == VIEW_FIRST || pass == VIEW_NEXT || pass == VIEW_LAST) {
        _views = pass == VIEW_FIRST ? 1 : _views + 1;
        _sum.transpose(false);
        _sum.add(*probs, pass == VIEW_FIRST ? 0 : 1, 1);
        if (pass != VIEW_LAST) {
            return;
        }
        _sum.scale(1.0f / _views);
        probs = &_sum;
    }
    scoreLabels(in(0), *probs, _acts, _top1, _topK, _topk);
    const int cases = probs->getNumCols();
    _values.clear();
    _values.push_back(-_acts.sum());
    _values.push_back(cases - _top1.sum());
    _values.push_back(cases - _topK.sum());
}

Layer* makeLayer(Net& net, const Dict& dict) {
    const std::string type = dict.text("type");
    if (type == "data") return new DataLayer(net, dict);
    if (type == "fc") return new FullLayer(net, dict);
    if (type == "conv") return new ConvolutionLayer(net, dict);
    if (type == "neuron") return new NeuronLayer(net, dict);
    if (type == "pool") return new PoolLayer(net, dict);
    if (type == "cmrnorm") return new CrossMapNormLayer(net, dict);
    if (type == "hs") return new DropoutLayer(net, dict);
    if (type == "softmax") return new SoftmaxLayer(net, dict);
    if (type == "cost.logreg") return new LabelCostLayer(net, dict);
    throw std::runtime_error("the stand-in has no layer type " + type);
}
