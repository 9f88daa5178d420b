// See layer.cuh.
#include <algorithm>
#include <layer.cuh>
#include <net.cuh>
#include <set>
#include <stdexcept>

Layer::Layer(Net& net, const Dict& dict, bool transposed)
    : _net(net), _name(dict.text("name")), _gpu(dict.integer("gpu")), _transposed(transposed),
      _gradStarted(net.numDevices(), 0), _arrived(0), _gradientsArrived(0), _gradientsExpected(-1), _wantsGradient(-1),
      _runsBackward(-1) {
    if (dict.has("inputs")) {
        _inputNames = dict.texts("inputs");
    }
}

Layer::~Layer() {
    for (auto& copy : _actsOn) delete copy.second;
    for (auto& copy : _gradOn) delete copy.second;
}

void Layer::link(const std::map<std::string, Layer*>& layers) {
    for (const std::string& name : _inputNames) {
        if (layers.count(name) == 0) {
            throw std::runtime_error("layer " + _name + " has an unknown input: " + name);
        }
        Layer* input = layers.at(name);
        _inputs.push_back(input);
        input->_consumers.push_back(this);
        if (input->_gpu != _gpu && input->_actsOn.count(_gpu) == 0) {
            input->_actsOn[_gpu] = new NVMatrix();
            input->_gradOn[_gpu] = new NVMatrix();
        }
    }
}

std::vector<int> Layer::consumerDevices() const {
    std::set<int> devices;
    for (Layer* consumer : _consumers) devices.insert(consumer->_gpu);
    return std::vector<int>(devices.begin(), devices.end());
}

bool Layer::wantsGradient() {
    if (_wantsGradient < 0) {
        _wantsGradient = learns();
        for (Layer* input : _inputs) _wantsGradient |= input->wantsGradient();
    }
    return _wantsGradient != 0;
}

bool Layer::runsBackward() {
    if (_runsBackward < 0) {
        _gradientsExpected = 0;
        for (Layer* consumer : _consumers) _gradientsExpected += consumer->runsBackward();
        _runsBackward = wantsGradient() && (startsBackward() || _gradientsExpected > 0);
    }
    return _runsBackward != 0;
}

NVMatrix& Layer::actsOn(int device) {
    return device == _gpu ? _acts : *_actsOn.at(device);
}

NVMatrix& Layer::gradOn(int device) {
    return device == _gpu ? _grad : *_gradOn.at(device);
}

void Layer::inputReady(Pass pass) {
    if (++_arrived < (int)_inputs.size()) {
        return;
    }
    _acts.transpose(_transposed);
    for (size_t i = 0; i < _inputs.size(); i++) {
        in(i).transpose(_transposed);
    }
    for (size_t i = 0; i < _inputs.size(); i++) {
        forward(i, pass, i == 0 ? 0 : 1);
    }
    announce(pass);
}

void Layer::announce(Pass pass) {
    bool elsewhere = false;
    for (Layer* consumer : _consumers) elsewhere |= consumer->_gpu != _gpu;
    if (elsewhere || _consumers.empty()) {
        cudaDeviceSynchronize();
    }
    for (int device : consumerDevices()) {
        if (device != _gpu) {
            _net.send(device, Message(Message::COPY, this, pass, &_acts.getClone()));
        }
    }
    for (Layer* consumer : _consumers) {
        _net.send(consumer->_gpu, Message(Message::INPUT, consumer, pass));
    }
    if (_consumers.empty()) {
        _net.finished();
    }
}

void Layer::receiveCopy(NVMatrix& view, int device) {
    NVMatrix& copy = actsOn(device);
    // Equal flags first: between equal numbers of features and cases a copy would otherwise keep its own flag.
    copy.transpose(view.isTrans());
    view.copy(copy);
    delete &view;
}

void Layer::reset(int device) {
    _gradStarted[device] = 0;
    if (device == _gpu) {
        _arrived = 0;
        _gradientsArrived = 0;
    }
}

void Layer::startBackward(Pass pass) {
    if (startsBackward() && runsBackward()) {
        runBackward(pass);
    }
}

void Layer::gradientReady(Pass pass) {
    if (++_gradientsArrived == _gradientsExpected) {
        runBackward(pass);
    }
}

// Own contributions first, then the other devices' in ascending order (two devices: at most one).
void Layer::gather() {
    bool started = _gradStarted[_gpu] != 0;
    _grad.transpose(_transposed);
    for (auto& copy : _gradOn) {
        if (_gradStarted[copy.first]) {
            copy.second->transpose(_transposed);
            _grad.add(*copy.second, started ? 1 : 0, 1);
            started = true;
        }
    }
}

void Layer::runBackward(Pass pass) {
    gather();
    _acts.transpose(_transposed);
    for (size_t i = 0; i < _inputs.size(); i++) {
        in(i).transpose(_transposed);
    }
    backwardParameters(pass);
    for (size_t i = 0; i < _inputs.size(); i++) {
        Layer& input = *_inputs[i];
        if (input.runsBackward()) {
            NVMatrix& target = input.gradOn(_gpu);
            target.transpose(_transposed);
            if (backward(i, pass, input._gradStarted[_gpu] ? 1 : 0, target)) {
                input._gradStarted[_gpu] = 1;
            }
        }
    }
    cudaDeviceSynchronize();
    for (Layer* input : _inputs) {
        if (input->runsBackward()) {
            if (input->_gpu == _gpu) {
                input->gradientReady(pass);
            } else {
                _net.send(input->_gpu, Message(Message::GRADIENT, input, pass));
            }
        }
    }
    _net.finished();
}

bool Layer::backward(int, Pass, float, NVMatrix&) {
    return false;
}
