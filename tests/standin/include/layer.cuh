// A layer in the graph: who feeds it, who uses it, and its copies on the devices of its users.
//
// Activations and gradients are (features, cases) when plain and (cases, features) when transposed: the same bytes.
#ifndef STANDIN_LAYER_CUH
#define STANDIN_LAYER_CUH

#include <dict.cuh>
#include <map>

class Net;

enum Pass { TRAIN, TEST, VIEW_FIRST, VIEW_NEXT, VIEW_LAST, FEATURES, CHECK };

class Layer {
public:
    Layer(Net& net, const Dict& dict, bool transposed);
    virtual ~Layer();

    const std::string& name() const { return _name; }
    int gpu() const { return _gpu; }
    const std::vector<Layer*>& consumers() const { return _consumers; }
    std::vector<int> consumerDevices() const;
    virtual bool isCost() const { return false; }

    // Wiring, in the caller's thread.
    void link(const std::map<std::string, Layer*>& layers);
    bool wantsGradient();
    bool runsBackward();

    NVMatrix& actsOn(int device);
    NVMatrix& gradOn(int device);

    // Messages, each handled by the layer's own device thread (receiveCopy and reset: by the thread of `device`).
    void inputReady(Pass pass);
    void gradientReady(Pass pass);
    void startBackward(Pass pass);
    void receiveCopy(NVMatrix& view, int device);
    void reset(int device);

    virtual void upload() {}
    virtual void download() {}
    virtual void update() {}

protected:
    // Input i's part of the output, added to what is there if scaleTargets is 1.
    virtual void forward(int i, Pass pass, float scaleTargets) = 0;
    // The gradient for input i; false where nothing is written.
    virtual bool backward(int i, Pass pass, float scaleTargets, NVMatrix& target);
    virtual void backwardParameters(Pass) {}
    virtual bool learns() const { return false; }
    virtual bool startsBackward() const { return false; }
    NVMatrix& in(int i) { return _inputs[i]->actsOn(_gpu); }

    Net& _net;
    std::string _name;
    int _gpu;
    bool _transposed;
    std::vector<std::string> _inputNames;
    std::vector<Layer*> _inputs, _consumers;
    NVMatrix _acts, _grad;

private:
    Layer(const Layer&);
    Layer& operator=(const Layer&);
    void announce(Pass pass);
    void gather();
    void runBackward(Pass pass);

    std::map<int, NVMatrix*> _actsOn, _gradOn;
    std::vector<char> _gradStarted;
    int _arrived, _gradientsArrived, _gradientsExpected;
    int _wantsGradient, _runsBackward;
};

#endif
