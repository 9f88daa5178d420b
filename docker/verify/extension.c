/* A Python 2.7 module in the release's style: the Python 2 C-API of companion-native 6.3, NumPy's, and a BLAS product. */
#include <Python.h>

#include <arrayobject.h>
#include <cblas.h>

static PyObject* product(PyObject* self, PyObject* arguments) {
    PyArrayObject *a, *b, *c;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "O!O!O!", &PyArray_Type, &a, &PyArray_Type, &b, &PyArray_Type, &c)) {
        return NULL;
    }
    const int m = (int)PyArray_DIM(a, 0), k = (int)PyArray_DIM(a, 1), n = (int)PyArray_DIM(b, 1);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, PyArray_DATA(a), k, PyArray_DATA(b), n, 0, PyArray_DATA(c), n);
    return Py_BuildValue("i", m);
}

static PyMethodDef methods[] = {{"product", product, METH_VARARGS, "c = a b"}, {NULL, NULL, 0, NULL}};

PyMODINIT_FUNC initextension(void) {
    Py_InitModule("extension", methods);
    import_array();
}
