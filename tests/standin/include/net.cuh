// The running network: a manager thread that takes jobs, a thread with a message queue per device.
#ifndef STANDIN_NET_CUH
#define STANDIN_NET_CUH

#include <helper_cuda.h>
#include <queue.h>
#include <sync.h>
#include <thread.h>

#include <batch.h>
#include <layers.cuh>

struct Message {
    enum Kind { UPLOAD, RESET, COPY, INPUT, START_BACKWARD, GRADIENT, UPDATE, DOWNLOAD, MEET };
    Message() : kind(MEET), layer(NULL), pass(TEST), view(NULL) {}
    Message(Kind k, Layer* l = NULL, Pass p = TEST, NVMatrix* v = NULL) : kind(k), layer(l), pass(p), view(v) {}
    Kind kind;
    Layer* layer;
    Pass pass;
    NVMatrix* view;
};

class Device : public Thread {
public:
    Device(Net& net, int index, int id, const std::vector<int>& peers, std::vector<int>& cpus);
    void send(const Message& message) { _messages.enqueue(message); }
    int id() const { return _id; }

protected:
    void* run();

private:
    void handle(const Message& message);
    Net& _net;
    int _index, _id;
    std::vector<int> _peers;
    Queue<Message> _messages;
};

typedef std::map<std::string, std::vector<double> > Costs;

struct Job {
    enum Kind { TRAIN_BATCH, TEST_BATCH, MULTIVIEW, FEATURE, CHECK_GRADIENTS, SYNC };
    explicit Job(Kind k) : kind(k), batch(NULL), progress(0), views(1), probabilities(NULL) {}
    Kind kind;
    Batch* batch;
    float progress;
    int views;
    Matrix* probabilities;
    std::string costName;
    std::vector<Matrix*> features;
    std::vector<std::string> featureNames;
};

struct Result {
    Costs costs;
    long cases;
};

class Net : public Thread {
public:
    Net(PyObject* layers, const std::vector<int>& deviceIds, std::vector<std::vector<int> >& cpus, int minibatch,
        int updateFrequency);

    int numDevices() const { return (int)_deviceIds.size(); }
    const std::map<std::string, Layer*>& layers() const { return _layers; }
    // What gradients are divided by (engine-semantics section 1.6).
    int gradientCases(int cases) const { return _updateFrequency == 1 ? cases : _updateFrequency * _minibatch; }

    // Of the batch in hand; set while every device waits.
    float progress() const { return _progress; }

    void send(int device, const Message& message) { _devices[device]->send(message); }
    void finished() { _finished.enqueue(1); }
    void meet() { _barrier.sync(); }

    void enqueue(Job* job) { _jobs.enqueue(job); }
    Result* dequeue() { return _results.dequeue(); }

protected:
    void* run();

private:
    void broadcast(const Message& message);
    void awaitDevices();
    void wait(int messages);
    void upload(const Batch& batch, long start, long end);
    void forward(const Batch& batch, long start, long end, Pass pass);
    void backward(Pass pass);
    void addCosts(Costs& costs);
    Result* process(Job& job);
    void runMinibatch(Job& job, long cases, long start, long end);
    double errorOf(const Batch& batch, long cases);
    bool checkMatrix(const std::string& name, Layer& layer, Parameter& parameter, float step, const Batch& batch, double base,
                     const Matrix& analytic);
    void checkGradients(const Batch& batch);
    static void copyRows(NVMatrix& plain, Matrix& target, long start, long end);

    std::vector<int> _deviceIds;
    std::map<std::string, Layer*> _layers;
    std::vector<Device*> _devices;
    std::vector<DataLayer*> _dataLayers;
    Queue<Job*> _jobs;
    Queue<Result*> _results;
    Queue<int> _finished;
    ThreadSynchronizer _barrier;
    HostNVMatrix _staging;
    float _progress;
    int _minibatch, _updateFrequency, _sinceUpdate, _forwardEnds, _backwardEnds;
};

#endif
