// A tool, not a test: one library function on matrices from standard input, results to standard output. Tests in Python
// compare it with the reference engine (tests/native, tests/gpu), benchmarks time it (tests/bench).
//
// Input: one line "FUNCTION REPEAT numbers... ; rows cols flags ..." with one triple per matrix of the signature, in
// order, then the float32 data of those whose flags hold 1; flag 2 asks for the matrix in the output, flag 4 makes it
// column-major, flag 8 fills it with arbitrary numbers on (-1, 1), with flag 16 on (1, 2). Output: "rows cols" and data for
// each asked matrix. With REPEAT above 0 the best time of that many further calls (on a GPU the device's own, else wall
// time) and their best processor time go to standard error, in seconds. Calls follow one another until the input ends.
#include <cudaconv2.cuh>
#include <nvmatrix_operators.cuh>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

enum Flag { GIVEN = 1, ASKED = 2, COLUMN_MAJOR = 4, ARBITRARY = 8, POSITIVE = 16 };

struct Call {
    std::vector<double> numbers;
    std::vector<std::unique_ptr<NVMatrix>> matrices;
    std::vector<int> flags;
    int* connections;

    NVMatrix& m(size_t i) const { return *matrices.at(i); }
    int i(size_t k) const { return static_cast<int>(numbers.at(k)); }
    float f(size_t k) const { return static_cast<float>(numbers.at(k)); }
    bool b(size_t k) const { return numbers.at(k) != 0; }
    // Numbers from `first` on, as the colour list of a Sparse function.
    int* list(size_t first) {
        std::vector<int> host(numbers.begin() + static_cast<long>(first), numbers.end());
        if (connections == nullptr) checkCudaErrors(cudaMalloc(&connections, host.size() * sizeof(int)));
        checkCudaErrors(cudaMemcpy(connections, host.data(), host.size() * sizeof(int), cudaMemcpyHostToDevice));
        return connections;
    }
};

typedef std::function<void(Call&)> Function;

void addConvolutions(std::map<std::string, Function>& table) {
#define FORWARD(name)                                                                                                \
    table[#name] = [](Call& c) {                                                                                     \
        name(c.m(0), c.m(1), c.m(2), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6), c.f(7), c.f(8));        \
    };
    FORWARD(convFilterActs)
    FORWARD(localFilterActs)
    FORWARD(convImgActs)
    FORWARD(localImgActs)
#undef FORWARD
    table["convWeightActs"] = [](Call& c) {
        convWeightActs(c.m(0), c.m(1), c.m(2), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6), c.i(7), c.i(8),
                       c.f(9), c.f(10));
    };
    table["localWeightActs"] = [](Call& c) {
        localWeightActs(c.m(0), c.m(1), c.m(2), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6), c.i(7), c.f(8),
                        c.f(9));
    };
#define SPARSE(name)                                                                                                 \
    table[#name] = [](Call& c) {                                                                                     \
        name(c.m(0), c.m(1), c.m(2), c.list(10), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6), c.i(7),     \
             c.f(8), c.f(9));                                                                                        \
    };
    SPARSE(convFilterActsSparse)
    SPARSE(localFilterActsSparse)
    SPARSE(convImgActsSparse)
    SPARSE(localImgActsSparse)
#undef SPARSE
    table["convWeightActsSparse"] = [](Call& c) {
        convWeightActsSparse(c.m(0), c.m(1), c.m(2), c.list(12), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6),
                             c.i(7), c.i(8), c.i(9), c.f(10), c.f(11));
    };
    table["localWeightActsSparse"] = [](Call& c) {
        localWeightActsSparse(c.m(0), c.m(1), c.m(2), c.list(11), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6),
                              c.i(7), c.i(8), c.f(9), c.f(10));
    };
    // What the release does with partial sums (companion-native 4.3): a scratch matrix, its rows added into the gradient.
    table["convWeightActs.addSum"] = [](Call& c) {
        NVMatrix& partial = c.m(2);
        NVMatrix& gradient = c.m(3);
        const int rows = c.m(0).getNumRows() / (c.i(0) * c.i(0)) / c.i(7) * c.i(3) * c.i(3);
        convWeightActs(c.m(0), c.m(1), partial, c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6), c.i(7), c.i(8), 0,
                       1);
        const int filters = partial.getNumCols();
        partial.reshape(partial.getNumRows() / rows, rows * filters);
        gradient.addSum(partial, 0, 0, 1);
        partial.reshape(partial.getNumRows() * rows, filters);
        gradient.reshape(rows, filters);
    };
}

struct Relu {
    __device__ inline float operator()(float a) const { return a > 0 ? a : 0; }
};

struct ReluGradient {
    __device__ inline float operator()(float gradient, float act) const { return act > 0 ? gradient : 0; }
};

// NVMatrix' own operations as the release's layers use them.
void addMatrixOperations(std::map<std::string, Function>& table) {
    table["addProduct"] = [](Call& c) { c.m(0).addProduct(c.m(1), c.m(2), c.f(0), c.f(1)); };
    table["sum"] = [](Call& c) { c.m(0).sum(c.i(0), c.m(1)); };
    table["max"] = [](Call& c) { c.m(0).max(c.i(0), c.m(1)); };
    table["addSum"] = [](Call& c) { c.m(1).addSum(c.m(0), c.i(0), c.f(1), c.f(2)); };
    table["sumOfAll"] = [](Call& c) {
        Matrix host(1, 1);
        host(0, 0) = c.m(0).sum();
        c.m(1).copyFromHost(host, true);
    };
    table["transpose"] = [](Call& c) { c.m(0).transpose(c.m(1)); };
    table["addVector"] = [](Call& c) { c.m(0).addVector(c.m(1)); };
    table["relu"] = [](Call& c) { c.m(0).apply(Relu(), c.m(1)); };
    table["relu.gradient"] = [](Call& c) { c.m(0).applyBinary(ReluGradient(), c.m(1), c.m(2)); };
    // Weights, increments, gradients; momentum, weight decay times rate, rate (engine-semantics, update).
    table["update"] = [](Call& c) {
        c.m(1).add(c.m(0), c.f(0), -c.f(1));
        c.m(1).add(c.m(2), 1, c.f(2));
        c.m(0).add(c.m(1));
    };
    table["randomizeUniform"] = [](Call& c) {
        NVMatrix::initRandom(static_cast<unsigned long long>(c.numbers.at(0)));
        c.m(0).randomizeUniform();
    };
    table["addGaussianNoise"] = [](Call& c) {
        NVMatrix::initRandom(static_cast<unsigned long long>(c.numbers.at(0)));
        c.m(0).addGaussianNoise(c.m(1), c.b(1));
    };
}

template <class Pooler>
Function pooling() {
    return [](Call& c) { convLocalPool(c.m(0), c.m(1), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), Pooler()); };
}

void addPooling(std::map<std::string, Function>& table) {
    table["convLocalPool.max"] = pooling<MaxPooler>();
    table["convLocalPool.maxabs"] = pooling<MaxAbsPooler>();
    table["convLocalPool.avg"] = pooling<AvgPooler>();
    table["convLocalRandomPool"] = [](Call& c) {
        NVMatrix::initRandom(static_cast<unsigned long long>(c.numbers.at(5)));
        convLocalRandomPool(c.m(0), c.m(1), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4));
    };
    table["convLocalAvgUndo"] = [](Call& c) {
        convLocalAvgUndo(c.m(0), c.m(1), c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.f(5), c.f(6));
    };
    table["convLocalMaxUndo"] = [](Call& c) {
        convLocalMaxUndo(c.m(0), c.m(1), c.m(2), c.m(3), c.i(0), c.i(1), c.i(2), c.i(3), c.f(4), c.f(5));
    };
}

void addNorms(std::map<std::string, Function>& table) {
    table["convResponseNorm"] = [](Call& c) { convResponseNorm(c.m(0), c.m(1), c.m(2), c.i(0), c.i(1), c.f(2), c.f(3)); };
    table["convResponseNormUndo"] = [](Call& c) {
        convResponseNormUndo(c.m(0), c.m(1), c.m(2), c.m(3), c.m(4), c.i(0), c.i(1), c.f(2), c.f(3), c.f(4), c.f(5));
    };
    table["convContrastNorm"] = [](Call& c) {
        convContrastNorm(c.m(0), c.m(1), c.m(2), c.m(3), c.i(0), c.i(1), c.f(2), c.f(3));
    };
    table["convContrastNormUndo"] = [](Call& c) {
        convContrastNormUndo(c.m(0), c.m(1), c.m(2), c.m(3), c.m(4), c.i(0), c.i(1), c.f(2), c.f(3), c.f(4), c.f(5));
    };
    table["convResponseNormCrossMap"] = [](Call& c) {
        convResponseNormCrossMap(c.m(0), c.m(1), c.m(2), c.i(0), c.i(1), c.f(2), c.f(3), c.f(4), c.b(5));
    };
    table["convResponseNormCrossMapUndo"] = [](Call& c) {
        convResponseNormCrossMapUndo(c.m(0), c.m(1), c.m(2), c.m(3), c.m(4), c.i(0), c.i(1), c.f(2), c.f(3), c.b(4),
                                     c.f(5), c.f(6));
    };
    table["convTICA"] = [](Call& c) { convTICA(c.m(0), c.m(1), c.i(0), c.i(1), c.f(2), c.f(3)); };
    table["convTICAGrad"] = [](Call& c) { convTICAGrad(c.m(0), c.m(1), c.m(2), c.i(0), c.i(1), c.f(2), c.f(3)); };
}

void addImages(std::map<std::string, Function>& table) {
    table["convCrop"] = [](Call& c) { convCrop(c.m(0), c.m(1), c.i(0), c.i(1), c.i(2), c.i(3)); };
    table["convResizeBilinear"] = [](Call& c) { convResizeBilinear(c.m(0), c.m(1), c.i(0), c.i(1), c.f(2)); };
    table["convReflectHorizontal"] = [](Call& c) { convReflectHorizontal(c.m(0), c.m(1), c.i(0)); };
    table["convBedOfNails"] = [](Call& c) { convBedOfNails(c.m(0), c.m(1), c.i(0), c.i(1), c.i(2), c.i(3), c.f(4), c.f(5)); };
    table["convBedOfNailsUndo"] = [](Call& c) {
        convBedOfNailsUndo(c.m(0), c.m(1), c.i(0), c.i(1), c.i(2), c.i(3), c.f(4), c.f(5));
    };
    table["convGaussianBlur"] = [](Call& c) { convGaussianBlur(c.m(0), c.m(1), c.m(2), c.b(0), c.i(1), c.f(2), c.f(3)); };
    table["convRGBToYUV"] = [](Call& c) { convRGBToYUV(c.m(0), c.m(1)); };
    table["convRGBToLAB"] = [](Call& c) { convRGBToLAB(c.m(0), c.m(1), c.b(0)); };
    table["normalizeLocalWeights"] = [](Call& c) { normalizeLocalWeights(c.m(0), c.i(0), c.f(1)); };
    table["convQuantizeHalf"] = [](Call& c) { convQuantizeHalf(c.m(0), c.m(1)); };
    table["convDequantizeHalf"] = [](Call& c) { convDequantizeHalf(c.m(0), c.m(1), c.i(0), c.f(1), c.f(2)); };
}

void fail(const std::string& text) {
    std::fprintf(stderr, "conv_call: %s\n", text.c_str());
    std::exit(2);
}

void readMatrix(Call& call, long rows, long cols, int flags) {
    call.matrices.emplace_back(new NVMatrix());
    call.flags.push_back(flags);
    if ((flags & (GIVEN | ARBITRARY)) == 0) return;
    Matrix host(rows, cols);
    const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(cols);
    if (flags & GIVEN) {
        if (!std::cin.read(reinterpret_cast<char*>(host.getData()), static_cast<long>(count * sizeof(float))))
            fail("the input ends within a matrix");
    } else {
        for (size_t k = 0; k < count; k++) {
            const float arbitrary = static_cast<float>(k * 2654435761u % 1000003) / 500002 - 1;
            host.getData()[k] = flags & POSITIVE ? (arbitrary + 3) / 2 : arbitrary;
        }
    }
    if (flags & COLUMN_MAJOR) call.matrices.back()->transpose(true);
    NVMatrix rowMajor(host, true);
    call.matrices.back()->resize(static_cast<int>(rows), static_cast<int>(cols));
    rowMajor.copy(*call.matrices.back());
}

void writeMatrix(NVMatrix& matrix) {
    NVMatrix rowMajor(matrix.getNumRows(), matrix.getNumCols());
    matrix.copy(rowMajor);
    Matrix host;
    rowMajor.copyToHost(host, true);
    std::cout << matrix.getNumRows() << " " << matrix.getNumCols() << "\n";
    std::cout.write(reinterpret_cast<const char*>(host.getData()),
                    static_cast<long>(sizeof(float)) * matrix.getNumElements());
}

double processorSeconds() {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

struct Times {
    double best;
    double processor;
};

#ifdef __CUDACC__

// Where the device's memory ends nothing may be written.
__global__ void kFault(float* nowhere) { nowhere[threadIdx.x] = 1; }

const int CHAINS = 16;

// CHAINS independent multiply-adds in each of `count` rounds: as fast as the device can do them.
__global__ void kMultiplyAdd(float* out, int count, float factor) {
    float chains[CHAINS];
#pragma unroll
    for (int k = 0; k < CHAINS; k++) chains[k] = out[threadIdx.x] + k;
#pragma unroll 8
    for (int round = 0; round < count; round++) {
#pragma unroll
        for (int k = 0; k < CHAINS; k++) chains[k] = fmaf(chains[k], factor, 0.5f);
    }
    float sum = 0;
#pragma unroll
    for (int k = 0; k < CHAINS; k++) sum += chains[k];
    out[static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x] = sum;
}

// What the device can do at most, measured: a copy, and 2 * CHAINS * count operations for each element.
void addPeaks(std::map<std::string, Function>& table) {
    table["peak.copy"] = [](Call& c) {
        const size_t bytes = static_cast<size_t>(c.m(0).getNumElements()) * sizeof(float);
        checkCudaErrors(
            cudaMemcpyAsync(c.m(1).getDevData(), c.m(0).getDevData(), bytes, cudaMemcpyDeviceToDevice, 0));
    };
    table["peak.multiplyAdd"] = [](Call& c) {
        const int threads = 256;
        kMultiplyAdd<<<c.m(0).getNumElements() / threads, threads>>>(c.m(0).getDevData(), c.i(0), 0.5f);
        getLastCudaError("multiply-adds");
    };
    table["fault"] = [](Call&) {
        kFault<<<1, 32>>>(nullptr);
        getLastCudaError("a deliberate fault");
    };
}

// Events around each call, all queued at once. The memset before a call empties the device's cache, as the rest of a network
// would, and takes long enough for the host to queue the call: what is timed is the device's work.
Times bestTimes(const Function& function, Call& call, int repeat) {
    const size_t bytes = 256u << 20;
    void* filler;
    checkCudaErrors(cudaMalloc(&filler, bytes));
    std::vector<cudaEvent_t> events(2 * static_cast<size_t>(repeat));
    for (cudaEvent_t& event : events) checkCudaErrors(cudaEventCreate(&event));
    const double used = processorSeconds();
    for (int k = 0; k < repeat; k++) {
        checkCudaErrors(cudaMemsetAsync(filler, k, bytes, 0));
        checkCudaErrors(cudaEventRecord(events[2 * k], 0));
        function(call);
        checkCudaErrors(cudaEventRecord(events[2 * k + 1], 0));
    }
    Times times = {1e30, (processorSeconds() - used) / repeat};
    checkCudaErrors(cudaDeviceSynchronize());
    for (int k = 0; k < repeat; k++) {
        float milliseconds = 0;
        checkCudaErrors(cudaEventElapsedTime(&milliseconds, events[2 * k], events[2 * k + 1]));
        times.best = std::min(times.best, 1e-3 * milliseconds);
    }
    for (cudaEvent_t event : events) checkCudaErrors(cudaEventDestroy(event));
    checkCudaErrors(cudaFree(filler));
    return times;
}

#else

void addPeaks(std::map<std::string, Function>&) {}

Times bestTimes(const Function& function, Call& call, int repeat) {
    Times times = {1e30, 1e30};
    for (int k = 0; k < repeat; k++) {
        const double used = processorSeconds();
        const auto start = std::chrono::steady_clock::now();
        function(call);
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
        times.best = std::min(times.best, passed.count());
        times.processor = std::min(times.processor, processorSeconds() - used);
    }
    return times;
}

#endif

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    std::map<std::string, Function> table;
    addConvolutions(table);
    addMatrixOperations(table);
    addPooling(table);
    addNorms(table);
    addImages(table);
    addPeaks(table);
    NVMatrix::setDeviceID(0);
    NVMatrix::initCublas();
    std::string line, name, word;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        int repeat = 0;
        words >> name >> repeat;
        const auto found = table.find(name);
        if (found == table.end()) fail("no function '" + name + "'");
        Call call = Call();
        while (words >> word && word != ";") call.numbers.push_back(std::stod(word));
        long rows, cols;
        int flags;
        while (words >> rows >> cols >> flags) readMatrix(call, rows, cols, flags);
        found->second(call);
        for (size_t k = 0; k < call.matrices.size(); k++)
            if (call.flags[k] & ASKED) writeMatrix(call.m(k));
        std::cout.flush();
        if (repeat > 0) {
            const Times times = bestTimes(found->second, call, repeat);
            std::fprintf(stderr, "%.9f %.9f\n", times.best, times.processor);
        }
        if (call.connections) checkCudaErrors(cudaFree(call.connections));
    }
    return 0;
}
