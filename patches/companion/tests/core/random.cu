// Random numbers: the generator's published answers, the streams of RANDOM.md, and the two distributions.
#include <stdlib.h>

#include <thread.h>

#include "../../common/random_stream.h"
#include "views.h"

using check::Dense;
using check::Storage;
using check::Stored;
using check::download;

namespace {

void checkWords(const uint32_t (&counter)[4], const uint32_t (&key)[2], const uint32_t (&expected)[4]) {
    const companion::Words words = companion::philox(counter, key);
    for (int i = 0; i < 4; i++) {
        CHECK_EQUAL(words.word[i], expected[i]);
    }
}

// Number e of a fresh stream, straight from RANDOM.md.
double uniformNumber(uint64_t seed, uint32_t device, uint64_t firstBlock, uint64_t e) {
    const uint64_t block = firstBlock + e / 4;
    const uint32_t counter[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), device, 0};
    const uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    return ((companion::philox(counter, key).word[e % 4] >> 8) + 1.0) / 16777216.0;
}

// A device's thread as the release makes it: it selects its device, starts its stream and draws.
class Drawing : public Thread {
public:
    Drawing(int device, std::vector<int>& cpus) : Thread(true, cpus), _device(device), drawn(1, 8) {}

protected:
    void* run() override {
        NVMatrix::setDeviceID(_device);
        NVMatrix::initRandom();
        NVMatrix numbers(1, 8);
        numbers.randomizeUniform();
        drawn = download(numbers);
        return nullptr;
    }

private:
    int _device;

public:
    Dense drawn;
};

}  // namespace

CASE(devices_of_a_run_that_are_one_gpu_have_streams_of_their_own) {
    setenv("ALEXNET_ARCHIVE_SEED", "77", 1);
    std::vector<int> anyCpu;
    Drawing first(0, anyCpu), second(0, anyCpu);
    // Whichever draws first.
    second.start();
    second.join();
    first.start();
    first.join();
    for (int e = 0; e < 8; e++) {
        CHECK_CLOSE(first.drawn(0, e), uniformNumber(77, 0, 0, e), 0);
        CHECK_CLOSE(second.drawn(0, e), uniformNumber(77, 1, 0, e), 0);
    }
}

CASE(init_without_a_seed_takes_the_environment_and_happens_once) {
    setenv("ALEXNET_ARCHIVE_SEED", "18446744073709551615", 1);
    NVMatrix::setDeviceID(0);
    NVMatrix::initRandom();
    NVMatrix a(1, 4);
    a.randomizeUniform();
    NVMatrix::initRandom();
    NVMatrix b(1, 4);
    b.randomizeUniform();
    for (int e = 0; e < 4; e++) {
        CHECK_CLOSE(download(a)(0, e), uniformNumber(~0ull, 0, 0, e), 0);
        CHECK_CLOSE(download(b)(0, e), uniformNumber(~0ull, 0, 1, e), 0);
    }
}

CASE(philox_known_answers) {
    checkWords({0, 0, 0, 0}, {0, 0}, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
    checkWords({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu},
               {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
    checkWords({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u},
               {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

CASE(uniform_numbers_follow_the_stream) {
    const uint64_t seed = 0x123456789abcdef0ull;
    NVMatrix::setDeviceID(0);
    NVMatrix::initRandom(seed);
    NVMatrix a(3, 7), b(5, 1), none, c(2, 2);
    a.randomizeUniform();
    b.randomizeUniform();
    none.randomizeUniform();
    c.randomizeUniform();
    const Dense first = download(a), second = download(b), third = download(c);
    for (int e = 0; e < 21; e++) {
        CHECK_CLOSE(first(e / 7, e % 7), uniformNumber(seed, 0, 0, e), 0);
    }
    for (int e = 0; e < 5; e++) {
        CHECK_CLOSE(second(e, 0), uniformNumber(seed, 0, 6, e), 0);
    }
    for (int e = 0; e < 4; e++) {
        CHECK_CLOSE(third(e / 2, e % 2), uniformNumber(seed, 0, 8, e), 0);
    }
}

CASE(large_and_small_calls_and_views_draw_the_same_numbers) {
    const uint64_t seed = 0xfedcba9876543210ull;
    for (const Storage& storage : check::STORAGES) {
        for (int cols : {16, 5, 4099}) {
            NVMatrix::initRandom(seed);
            Stored a(Dense(17, cols, 0), storage);
            a->randomizeUniform();
            const Dense found = download(*a);
            for (int e = 0; e < 17 * cols; e++) {
                const double x = storage.trans ? found(e % 17, e / 17) : found(e / cols, e % cols);
                CHECK_CLOSE(x, uniformNumber(seed, 0, 0, e), 0);
            }
            CHECK(a.borderIsIntact());
        }
    }
}

CASE(memory_order_decides_whatever_the_flag) {
    NVMatrix plain(6, 5, false), turned(5, 6, true);
    NVMatrix::initRandom(7);
    plain.randomizeUniform();
    NVMatrix::initRandom(7);
    turned.randomizeUniform();
    turned.transpose();
    CHECK_MATRIX(turned, download(plain), 0);
}

CASE(devices_have_their_own_streams) {
    int count = 0;
    checkCudaErrors(cudaGetDeviceCount(&count));
    const int last = count - 1;
    NVMatrix::setDeviceID(last);
    NVMatrix::initRandom(99);
    NVMatrix a(1, 9);
    a.randomizeUniform();
    const Dense found = download(a);
    for (int e = 0; e < 9; e++) {
        CHECK_CLOSE(found(0, e), uniformNumber(99, static_cast<uint32_t>(last), 0, e), 0);
    }
    NVMatrix::setDeviceID(0);
}

CASE(uniform_numbers_lie_in_the_half_open_interval) {
    NVMatrix::initRandom(1);
    NVMatrix a(300, 1001);
    a.randomizeUniform();
    const Dense found = download(a);
    double sum = 0, smallest = 2, largest = -1;
    for (double x : found.at) {
        sum += x;
        smallest = std::min(smallest, x);
        largest = std::max(largest, x);
    }
    CHECK(smallest > 0 && largest <= 1);
    CHECK_CLOSE(sum / found.at.size(), 0.5, 0.002);
    CHECK_CLOSE(companion::uniform(0), 1.0 / 16777216, 0);
    CHECK_CLOSE(companion::uniform(0xffffffffu), 1.0, 0);
}

CASE(gaussian_noise_has_the_given_deviation) {
    const int rows = 200, cols = 1500;
    for (bool var : {false, true}) {
        NVMatrix::initRandom(2);
        std::unique_ptr<NVMatrix> x = check::device(Dense(rows, cols, 3)), stdevs = check::device(Dense(rows, cols, 0.5));
        x->addGaussianNoise(*stdevs, var);
        double sum = 0, squares = 0;
        for (double v : download(*x).at) {
            sum += v - 3;
            squares += (v - 3) * (v - 3);
        }
        const double n = static_cast<double>(rows) * cols, deviation = var ? 0.25 : 0.5;
        CHECK(std::fabs(sum / n) < 5 * deviation / std::sqrt(n));
        CHECK_CLOSE(std::sqrt(squares / n), deviation, 0.003);
    }
}

CASE(gaussian_noise_is_box_muller_of_the_stream_and_may_be_in_place) {
    for (bool trans : {false, true}) {
        NVMatrix::setDeviceID(0);
        NVMatrix::initRandom(11);
        const Dense values = check::random(3, 5, 3, 0, 2);
        Stored x(values, Storage{trans, false});
        x->addGaussianNoise(*x, false);
        const Dense found = download(*x);
        for (int e = 0; e < 15; e++) {
            const int i = trans ? e % 3 : e / 5, j = trans ? e / 3 : e % 5;
            const double u = uniformNumber(11, 0, 0, e / 2 * 2), v = uniformNumber(11, 0, 0, e / 2 * 2 + 1);
            const double angle = 2 * 3.14159265358979323846 * v;
            const double g = std::sqrt(-2 * std::log(u)) * (e % 2 == 0 ? std::cos(angle) : std::sin(angle));
            CHECK_CLOSE(found(i, j), values(i, j) * (1 + g), 1e-5);
        }
    }
}

TEST_MAIN
