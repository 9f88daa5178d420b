// See dict.cuh.
#include <dict.cuh>
#include <stdexcept>

bool Dict::has(const char* key) const {
    return PyDict_GetItemString(_dict, key) != NULL;
}

PyObject* Dict::get(const char* key) const {
    PyObject* value = PyDict_GetItemString(_dict, key);
    if (value == NULL) {
        throw std::runtime_error(std::string("a layer lacks the key ") + key);
    }
    return value;
}

PyObject* Dict::list(const char* key) const {
    PyObject* value = get(key);
    if (!PyList_Check(value)) {
        throw std::runtime_error(std::string("not a list: ") + key);
    }
    return value;
}

int Dict::integer(const char* key) const {
    return (int)PyInt_AsLong(get(key));
}

float Dict::number(const char* key) const {
    return (float)PyFloat_AsDouble(get(key));
}

std::string Dict::text(const char* key) const {
    return PyString_AsString(get(key));
}

std::vector<int> Dict::integers(const char* key) const {
    std::vector<int> out;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list(key)); i++) {
        out.push_back((int)PyInt_AsLong(PyList_GET_ITEM(list(key), i)));
    }
    return out;
}

std::vector<float> Dict::numbers(const char* key) const {
    std::vector<float> out;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list(key)); i++) {
        out.push_back((float)PyFloat_AsDouble(PyList_GET_ITEM(list(key), i)));
    }
    return out;
}

std::vector<std::string> Dict::texts(const char* key) const {
    std::vector<std::string> out;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list(key)); i++) {
        out.push_back(PyString_AsString(PyList_GET_ITEM(list(key), i)));
    }
    return out;
}

Dict Dict::dict(const char* key) const {
    return Dict(get(key));
}

Matrix* Dict::matrix(const char* key) const {
    return new Matrix((PyArrayObject*)get(key));
}

std::vector<Matrix*> Dict::matrices(const char* key) const {
    std::vector<Matrix*> out;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list(key)); i++) {
        out.push_back(new Matrix((PyArrayObject*)PyList_GET_ITEM(list(key), i)));
    }
    return out;
}
