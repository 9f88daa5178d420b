// Reading a layer's dictionary; every reader throws std::runtime_error that names the layer's key.
#ifndef STANDIN_DICT_CUH
#define STANDIN_DICT_CUH

#include <nvmatrix.cuh>
#include <string>
#include <vector>

class Dict {
public:
    explicit Dict(PyObject* dict) : _dict(dict) {}
    bool has(const char* key) const;
    int integer(const char* key) const;
    float number(const char* key) const;
    std::string text(const char* key) const;
    std::vector<int> integers(const char* key) const;
    std::vector<float> numbers(const char* key) const;
    std::vector<std::string> texts(const char* key) const;
    Dict dict(const char* key) const;
    // Views of the arrays' memory; the caller owns the Matrix objects.
    Matrix* matrix(const char* key) const;
    std::vector<Matrix*> matrices(const char* key) const;

private:
    PyObject* get(const char* key) const;
    PyObject* list(const char* key) const;
    PyObject* _dict;
};

#endif
