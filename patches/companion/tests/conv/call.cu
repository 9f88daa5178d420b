// A tool, not a test: one library function on matrices from standard input, results to standard output. Tests in Python
// compare it with the reference engine (tests/native), benchmarks time it (tests/bench/native.py).
//
// Input: one line "FUNCTION REPEAT numbers... ; rows cols flags ..." with one triple per matrix of the signature, in
// order, then the float32 data of those whose flags hold 1; flag 2 asks for the matrix in the output, flag 4 makes it
// column-major, flag 8 fills it with arbitrary numbers. Output: "rows cols" and data for each asked matrix. With REPEAT
// above 0 the best wall time and the best processor time of that many further calls go to standard error, in seconds.
#include <cudaconv2.cuh>

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

enum Flag { GIVEN = 1, ASKED = 2, COLUMN_MAJOR = 4, ARBITRARY = 8 };

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
        const int rows = c.m(0).getNumRows() / (c.i(0) * c.i(0)) * c.i(3) * c.i(3);
        convWeightActs(c.m(0), c.m(1), partial, c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), c.i(6), c.i(7), c.i(8), 0,
                       1);
        const int filters = partial.getNumCols();
        partial.reshape(partial.getNumRows() / rows, rows * filters);
        gradient.addSum(partial, 0, 0, 1);
        partial.reshape(partial.getNumRows() * rows, filters);
        gradient.reshape(rows, filters);
    };
    table["addProduct"] = [](Call& c) { c.m(0).addProduct(c.m(1), c.m(2), c.f(0), c.f(1)); };
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
        for (size_t k = 0; k < count; k++) host.getData()[k] = static_cast<float>(k * 2654435761u % 1000003) / 500000 - 1;
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

void printBestTimes(const Function& function, Call& call, int repeat) {
    double wall = 1e30, processor = 1e30;
    for (int k = 0; k < repeat; k++) {
        checkCudaErrors(cudaDeviceSynchronize());
        const double used = processorSeconds();
        const auto start = std::chrono::steady_clock::now();
        function(call);
        checkCudaErrors(cudaDeviceSynchronize());
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
        wall = std::min(wall, passed.count());
        processor = std::min(processor, processorSeconds() - used);
    }
    std::fprintf(stderr, "%.9f %.9f\n", wall, processor);
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    std::map<std::string, Function> table;
    addConvolutions(table);
    addPooling(table);
    addNorms(table);
    addImages(table);
    NVMatrix::setDeviceID(0);
    NVMatrix::initCublas();
    std::string line, name, word;
    // Calls follow one another until the input ends.
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
        if (repeat > 0) printBestTimes(found->second, call, repeat);
        if (call.connections) checkCudaErrors(cudaFree(call.connections));
    }
    return 0;
}
