// See net.cuh.
#include <algorithm>
#include <net.cuh>
#include <stdexcept>

// ---- a device's thread

Device::Device(Net& net, int index, int id, const std::vector<int>& peers, std::vector<int>& cpus)
    : Thread(false, cpus), _net(net), _index(index), _id(id), _peers(peers) {}

void* Device::run() {
    NVMatrix::setDeviceID(_id);
    checkCudaErrors(cudaDeviceSetCacheConfig(cudaFuncCachePreferShared));
    for (int peer : _peers) {
        if (peer != _id && NVMatrix::canAccessDevice(_id, peer)) {
            checkCudaErrors(cudaDeviceEnablePeerAccess(peer, 0));
        }
    }
    NVMatrix::initCublas();
    NVMatrix::initRandom();
    for (;;) {
        handle(_messages.dequeue());
    }
    return NULL;
}

void Device::handle(const Message& message) {
    switch (message.kind) {
        case Message::INPUT: message.layer->inputReady(message.pass); return;
        case Message::COPY: message.layer->receiveCopy(*message.view, _index); return;
        case Message::GRADIENT: message.layer->gradientReady(message.pass); return;
        case Message::MEET:
            checkCudaErrors(cudaDeviceSynchronize());
            _net.meet();
            return;
        case Message::RESET:
            for (auto& entry : _net.layers()) entry.second->reset(_index);
            return;
        default: break;
    }
    for (auto& entry : _net.layers()) {
        Layer* layer = entry.second;
        if (layer->gpu() == _index) {
            if (message.kind == Message::UPLOAD) layer->upload();
            if (message.kind == Message::DOWNLOAD) layer->download();
            if (message.kind == Message::UPDATE) layer->update();
            if (message.kind == Message::START_BACKWARD) layer->startBackward(message.pass);
        }
    }
}

// ---- the manager

Net::Net(PyObject* layers, const std::vector<int>& deviceIds, std::vector<std::vector<int> >& cpus, int minibatch,
         int updateFrequency)
    : Thread(false), _deviceIds(deviceIds), _barrier((int)deviceIds.size() + 1), _progress(0), _minibatch(minibatch),
      _updateFrequency(updateFrequency), _sinceUpdate(0), _forwardEnds(0), _backwardEnds(0) {
    PyObject *key, *value;
    for (Py_ssize_t position = 0; PyDict_Next(layers, &position, &key, &value);) {
        const std::string name = PyString_AsString(key);
        _layers[name] = makeLayer(*this, Dict(value));
        if (_layers[name]->gpu() >= numDevices()) {
            throw std::runtime_error("layer " + name + " is on a device that is not there");
        }
    }
    for (auto& entry : _layers) entry.second->link(_layers);
    for (auto& entry : _layers) {
        _backwardEnds += entry.second->runsBackward();
        DataLayer* data = dynamic_cast<DataLayer*>(entry.second);
        if (data != NULL) {
            _dataLayers.push_back(data);
        } else {
            _forwardEnds += entry.second->consumers().empty();
        }
    }
    for (int i = 0; i < numDevices(); i++) {
        _devices.push_back(new Device(*this, i, deviceIds[i], deviceIds, cpus[i]));
    }
}

void* Net::run() {
    NVMatrix::setDeviceID(_deviceIds[0]);
    for (Device* device : _devices) device->start();
    broadcast(Message(Message::UPLOAD));
    for (;;) {
        Job* job = _jobs.dequeue();
        _results.enqueue(process(*job));
        delete job->batch;
        delete job->probabilities;
        for (Matrix* features : job->features) delete features;
        delete job;
    }
    return NULL;
}

void Net::broadcast(const Message& message) {
    for (Device* device : _devices) device->send(message);
}

void Net::awaitDevices() {
    broadcast(Message(Message::MEET));
    meet();
}

void Net::wait(int messages) {
    for (int i = 0; i < messages; i++) _finished.dequeue();
}

void Net::upload(const Batch& batch, long start, long end) {
    for (DataLayer* layer : _dataLayers) {
        Matrix& columns = batch.columns(layer->index(), start, end);
        for (int device : layer->consumerDevices()) {
            NVMatrix::setDeviceID(_deviceIds[device]);
            NVMatrix& target = layer->actsOn(device);
            if (columns.isTrans()) {
                _staging.copyFromHost(columns, true);
                _staging.flipTrans(target);
            } else {
                target.copyFromHost(columns, true);
            }
            checkCudaErrors(cudaDeviceSynchronize());
        }
        delete &columns;
    }
}

void Net::forward(const Batch& batch, long start, long end, Pass pass) {
    // No device may still turn the data matrices of the pass before when they are written here.
    awaitDevices();
    upload(batch, start, end);
    broadcast(Message(Message::RESET));
    for (DataLayer* data : _dataLayers) {
        for (Layer* consumer : data->consumers()) {
            send(consumer->gpu(), Message(Message::INPUT, consumer, pass));
        }
    }
    wait(_forwardEnds);
}

void Net::backward(Pass pass) {
    broadcast(Message(Message::START_BACKWARD, NULL, pass));
    wait(_backwardEnds);
    if (pass != TRAIN) {
        return;
    }
    _sinceUpdate = (_sinceUpdate + 1) % _updateFrequency;
    if (_sinceUpdate == 0) {
        broadcast(Message(Message::UPDATE));
        awaitDevices();
    }
}

void Net::addCosts(Costs& costs) {
    for (auto& entry : _layers) {
        LabelCostLayer* cost = dynamic_cast<LabelCostLayer*>(entry.second);
        if (cost != NULL) {
            std::vector<double>& total = costs[cost->name()];
            total.resize(cost->values().size(), 0);
            for (size_t i = 0; i < total.size(); i++) total[i] += cost->values()[i];
        }
    }
}

Result* Net::process(Job& job) {
    Result* result = new Result();
    result->cases = 0;
    if (job.kind == Job::SYNC) {
        broadcast(Message(Message::DOWNLOAD));
        awaitDevices();
        return result;
    }
    if (job.kind == Job::CHECK_GRADIENTS) {
        checkGradients(*job.batch);
    }
    const long cases = job.batch->cases() / job.views;
    if (job.kind == Job::TRAIN_BATCH || job.kind == Job::TEST_BATCH) {
        _progress = job.progress;
    }
    for (long i = 0; i < Batch::minibatches(cases, _minibatch); i++) {
        const long start = i * _minibatch, end = std::min(cases, start + _minibatch);
        runMinibatch(job, cases, start, end);
        addCosts(result->costs);
        if (job.kind == Job::TRAIN_BATCH) {
            backward(TRAIN);
        }
    }
    result->cases = cases;
    return result;
}

void Net::runMinibatch(Job& job, long cases, long start, long end) {
    if (job.kind == Job::MULTIVIEW) {
        for (int v = 0; v < job.views; v++) {
            const Pass pass = v == 0 ? VIEW_FIRST : (v == job.views - 1 ? VIEW_LAST : VIEW_NEXT);
            forward(*job.batch, v * cases + start, v * cases + end, pass);
        }
        if (job.probabilities != NULL) {
            LabelCostLayer* cost = dynamic_cast<LabelCostLayer*>(_layers.at(job.costName));
            NVMatrix::setDeviceID(_deviceIds[cost->gpu()]);
            copyRows(cost->meanProbabilities(), *job.probabilities, start, end);
        }
        return;
    }
    forward(*job.batch, start, end, job.kind == Job::TRAIN_BATCH ? TRAIN : job.kind == Job::FEATURE ? FEATURES : TEST);
    for (size_t i = 0; i < job.features.size(); i++) {
        Layer* layer = _layers.at(job.featureNames[i]);
        NVMatrix::setDeviceID(_deviceIds[layer->gpu()]);
        NVMatrix& acts = layer->actsOn(layer->gpu());
        acts.transpose(false);
        copyRows(acts, *job.features[i], start, end);
    }
}

// (features, cases) on a device into rows [start, end) of (all cases, features) on the host.
void Net::copyRows(NVMatrix& plain, Matrix& target, long start, long end) {
    Matrix& rows = target.sliceRows(start, end);
    NVMatrix turned;
    plain.transpose(turned);
    turned.copyToHost(rows);
    delete &rows;
}
