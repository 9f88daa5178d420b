// The Python side of the module: same functions as the release's (engine-semantics section 6.1), other insides.
#include <Python.h>
#include <arrayobject.h>
#include <net.cuh>
#include <stdexcept>

static Net* net = NULL;

static std::vector<Matrix*> matricesOf(PyObject* list) {
    std::vector<Matrix*> matrices;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        matrices.push_back(new Matrix((PyArrayObject*)PyList_GET_ITEM(list, i)));
    }
    return matrices;
}

static std::vector<int> integersOf(PyObject* list) {
    std::vector<int> integers;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        integers.push_back((int)PyInt_AS_LONG(PyList_GET_ITEM(list, i)));
    }
    return integers;
}

static PyObject* zero() {
    return Py_BuildValue("i", 0);
}

static PyObject* fail(const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return NULL;
}

static bool ready() {
    if (net == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "initModel comes first");
    }
    return net != NULL;
}

static PyObject* initModel(PyObject*, PyObject* args) {
    PyObject *layers, *devices, *cpuLists;
    int minibatch, updateFrequency;
    if (!PyArg_ParseTuple(args, "O!O!O!ii", &PyDict_Type, &layers, &PyList_Type, &devices, &PyList_Type, &cpuLists,
                          &minibatch, &updateFrequency)) {
        return NULL;
    }
    try {
        if (net != NULL) throw std::runtime_error("one model per process");
        std::vector<std::vector<int> > cpus;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(cpuLists); i++) {
            cpus.push_back(integersOf(PyList_GET_ITEM(cpuLists, i)));
        }
        Py_INCREF(layers);
        net = new Net(layers, integersOf(devices), cpus, minibatch, updateFrequency);
        net->start();
        return zero();
    } catch (const std::exception& error) {
        return fail(error);
    }
}

static PyObject* startBatch(PyObject*, PyObject* args) {
    PyObject* data;
    double progress;
    int test = 0;
    if (!ready() || !PyArg_ParseTuple(args, "O!d|i", &PyList_Type, &data, &progress, &test)) {
        return NULL;
    }
    try {
        Job* job = new Job(test ? Job::TEST_BATCH : Job::TRAIN_BATCH);
        job->batch = new Batch(matricesOf(data));
        job->progress = (float)progress;
        net->enqueue(job);
        return zero();
    } catch (const std::exception& error) {
        return fail(error);
    }
}

static PyObject* startMultiviewTest(PyObject*, PyObject* args) {
    PyObject *data, *probabilities = NULL;
    int views;
    const char* name = NULL;
    if (!ready() || !PyArg_ParseTuple(args, "O!i|O!s", &PyList_Type, &data, &views, &PyArray_Type, &probabilities, &name)) {
        return NULL;
    }
    try {
        Job* job = new Job(Job::MULTIVIEW);
        job->batch = new Batch(matricesOf(data));
        job->views = views;
        if (job->batch->cases() % views != 0) throw std::runtime_error("the cases do not divide into views");
        if (probabilities != NULL && name != NULL) {
            job->probabilities = new Matrix((PyArrayObject*)probabilities);
            job->costName = name;
        }
        net->enqueue(job);
        return zero();
    } catch (const std::exception& error) {
        return fail(error);
    }
}

static PyObject* startFeatureWriter(PyObject*, PyObject* args) {
    PyObject *data, *features, *names;
    if (!ready() || !PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &data, &PyList_Type, &features, &PyList_Type, &names)) {
        return NULL;
    }
    try {
        Job* job = new Job(Job::FEATURE);
        job->batch = new Batch(matricesOf(data));
        job->features = matricesOf(features);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
            job->featureNames.push_back(PyString_AsString(PyList_GET_ITEM(names, i)));
            if (net->layers().count(job->featureNames.back()) == 0) throw std::runtime_error("no such layer");
        }
        net->enqueue(job);
        return zero();
    } catch (const std::exception& error) {
        return fail(error);
    }
}

// Never returns: the process ends with the check.
static PyObject* checkGradients(PyObject*, PyObject* args) {
    PyObject* data;
    if (!ready() || !PyArg_ParseTuple(args, "O!", &PyList_Type, &data)) {
        return NULL;
    }
    try {
        Job* job = new Job(Job::CHECK_GRADIENTS);
        job->batch = new Batch(matricesOf(data));
        net->enqueue(job);
        net->dequeue();
        return zero();
    } catch (const std::exception& error) {
        return fail(error);
    }
}

static PyObject* finishBatch(PyObject*, PyObject*) {
    if (!ready()) return NULL;
    Result* result = net->dequeue();
    PyObject* costs = PyDict_New();
    for (auto& entry : result->costs) {
        PyObject* values = PyList_New(0);
        for (double value : entry.second) {
            PyObject* number = PyFloat_FromDouble(value);
            PyList_Append(values, number);
            Py_DECREF(number);
        }
        PyDict_SetItemString(costs, entry.first.c_str(), values);
        Py_DECREF(values);
    }
    PyObject* both = Py_BuildValue("Ni", costs, (int)result->cases);
    delete result;
    return both;
}

static PyObject* syncWithHost(PyObject*, PyObject*) {
    if (!ready()) return NULL;
    net->enqueue(new Job(Job::SYNC));
    delete net->dequeue();
    return zero();
}

static PyObject* notHere(PyObject*, PyObject*) {
    PyErr_SetString(PyExc_NotImplementedError, "the stand-in has no such function");
    return NULL;
}

static PyMethodDef methods[] = {{"initModel", initModel, METH_VARARGS, NULL},
                                {"startBatch", startBatch, METH_VARARGS, NULL},
                                {"finishBatch", finishBatch, METH_VARARGS, NULL},
                                {"startMultiviewTest", startMultiviewTest, METH_VARARGS, NULL},
                                {"startFeatureWriter", startFeatureWriter, METH_VARARGS, NULL},
                                {"syncWithHost", syncWithHost, METH_VARARGS, NULL},
                                {"checkGradients", checkGradients, METH_VARARGS, NULL},
                                {"startDataGrad", notHere, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};

#define STANDIN_TEXT_(x) #x
#define STANDIN_TEXT(x) STANDIN_TEXT_(x)

extern "C" void INITNAME() {
    Py_InitModule(STANDIN_TEXT(MODELNAME), methods);
    import_array();
}
