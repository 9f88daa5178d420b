// The state of the random streams: one seed and one block number for each device (RANDOM.md).
#include "random_stream.h"

#include <helper_cuda.h>
#include <time.h>

#include <map>
#include <mutex>

#include "environment.h"
#include "random_state.h"

namespace companion {

namespace {

struct Stream {
    uint64_t seed;
    uint64_t nextBlock;
};

// By device. Never destroyed: the release's threads are still there when the program ends.
struct Streams {
    std::mutex mutex;
    std::map<int, Stream> byDevice;
};

Streams& streams() {
    static Streams* const all = new Streams();
    return *all;
}

int currentDevice() {
    int device = 0;
    checkCudaErrors(cudaGetDevice(&device));
    return device;
}

uint64_t clockSeed() {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

void startRandomStream() {
    const int device = currentDevice();
    std::lock_guard<std::mutex> lock(streams().mutex);
    if (streams().byDevice.count(device) == 0) {
        const Stream fresh = {environmentHas("ALEXNET_ARCHIVE_SEED") ? environmentNumber("ALEXNET_ARCHIVE_SEED", 0)
                                                                     : clockSeed(),
                              0};
        streams().byDevice[device] = fresh;
    }
}

void restartRandomStream(uint64_t seed) {
    const int device = currentDevice();
    std::lock_guard<std::mutex> lock(streams().mutex);
    const Stream fresh = {seed, 0};
    streams().byDevice[device] = fresh;
}

RandomNumbers takeRandomNumbers(size_t count) {
    const int device = currentDevice();
    std::lock_guard<std::mutex> lock(streams().mutex);
    const std::map<int, Stream>::iterator found = streams().byDevice.find(device);
    if (found == streams().byDevice.end()) {
        fprintf(stderr, "random numbers on device %d before NVMatrix::initRandom\n", device);
        exit(EXIT_FAILURE);
    }
    RandomNumbers numbers;
    numbers.seed = found->second.seed;
    numbers.firstBlock = found->second.nextBlock;
    numbers.device = static_cast<uint32_t>(device);
    found->second.nextBlock += (count + 3) / 4;
    return numbers;
}

}  // namespace companion
