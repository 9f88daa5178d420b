// The numerical gradient check (engine-semantics section 6.4): every element of every matrix is moved, one after the other, and
// what the cost does is compared with the module's own gradient. Written from the specification; it ends the process.
#include <math.h>
#include <net.cuh>
#include <stdio.h>
#include <unistd.h>
#include <algorithm>

static const double BOUND = 0.02;

// The sum of all costs over the first minibatch, forward only.
double Net::errorOf(const Batch& batch, long cases) {
    forward(batch, 0, cases, CHECK);
    double error = 0;
    for (auto& entry : _layers) {
        LabelCostLayer* cost = dynamic_cast<LabelCostLayer*>(entry.second);
        if (cost != NULL) error += (double)cost->coeff() * cost->values()[0];
    }
    return error;
}

// Whether numeric and analytic gradient agree; both are per case. Ends the process where the cost is no number.
bool Net::checkMatrix(const std::string& name, Layer& layer, Parameter& parameter, float step, const Batch& batch, double base,
                      const Matrix& analytic) {
    const long cases = std::min(batch.cases(), (long)_minibatch);
    Matrix& host = parameter.host();
    double difference = 0, size = 0;
    for (long i = 0; i < host.getNumRows(); i++) {
        for (long j = 0; j < host.getNumCols(); j++) {
            const float before = host(i, j);
            host(i, j) = before + step;
            awaitDevices();
            NVMatrix::setDeviceID(_deviceIds[layer.gpu()]);
            parameter.setValues();
            checkCudaErrors(cudaDeviceSynchronize());
            const float numeric = (float)((errorOf(batch, cases) - base) / (cases * step));
            host(i, j) = before;
            if (isnan(numeric) || isinf(numeric)) {
                printf("%s: the numeric gradient is no number\n", name.c_str());
                fflush(stdout);
                _exit(1);
            }
            const float own = analytic(i, j) * (-1.0f / cases);
            difference += (double)(numeric - own) * (numeric - own);
            size += (double)own * own;
        }
    }
    awaitDevices();
    NVMatrix::setDeviceID(_deviceIds[layer.gpu()]);
    parameter.setValues();
    checkCudaErrors(cudaDeviceSynchronize());
    const double error = sqrt(difference) / sqrt(size);
    const bool good = error < BOUND;  // no number fails
    printf("%s: relative error %g, %s\n", name.c_str(), error, good ? "passed" : "failed");
    return good;
}

void Net::checkGradients(const Batch& batch) {
    struct Case {
        std::string name;
        Layer* layer;
        Parameter* parameter;
        float step;
        Matrix* analytic;
    };
    const long cases = std::min(batch.cases(), (long)_minibatch);
    const double base = errorOf(batch, cases);
    backward(CHECK);
    awaitDevices();
    std::vector<Case> all;
    for (auto& entry : _layers) {
        WeightLayer* layer = dynamic_cast<WeightLayer*>(entry.second);
        if (layer == NULL) continue;
        for (size_t i = 0; i < layer->weights().size(); i++) {
            char name[32];
            snprintf(name, sizeof(name), " weights[%d]", (int)i);
            all.push_back(Case{entry.first + name, layer, layer->weights()[i], layer->weightStep(), NULL});
        }
        all.push_back(Case{entry.first + " biases", layer, &layer->biases(), layer->biasStep(), NULL});
    }
    for (Case& one : all) {
        Matrix& host = one.parameter->host();
        one.analytic = new Matrix(host.getNumRows(), host.getNumCols());
        one.analytic->apply(Matrix::ZERO);
        NVMatrix::setDeviceID(_deviceIds[one.layer->gpu()]);
        // A matrix that does not learn has no gradient, and fails.
        if (one.parameter->learns()) one.parameter->gradient().copyToHost(*one.analytic, true);
    }
    size_t failed = 0;
    for (Case& one : all) {
        failed += !checkMatrix(one.name, *one.layer, *one.parameter, one.step, batch, base, *one.analytic);
        delete one.analytic;
    }
    if (failed > 0) {
        printf("%d/%d failed\n", (int)failed, (int)all.size());
    } else {
        printf("all passed\n");
    }
    fflush(stdout);
    _exit(0);
}
