// The state of the random streams: one seed and one block number for each device of a run (RANDOM.md).
#include "random_stream.h"

#include <helper_cuda.h>
#include <time.h>

#include <map>
#include <mutex>

#include "device_thread.h"
#include "environment.h"
#include "random_state.h"

namespace companion {

namespace {

struct Stream {
    uint64_t seed;
    uint64_t nextBlock;
};

// By device index. Never destroyed: the release's threads are still there when the program ends.
struct Streams {
    std::mutex mutex;
    std::map<int, Stream> byIndex;
};

Streams& streams() {
    static Streams* const all = new Streams();
    return *all;
}

// The place of the calling thread's device in the run's device list, so that two devices of a run that are one GPU draw from
// streams of their own, whichever comes first; the current device's ordinal where no device thread calls.
int deviceIndex() {
    const int own = deviceThread();
    if (own >= 0) {
        return own;
    }
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
    const int index = deviceIndex();
    std::lock_guard<std::mutex> lock(streams().mutex);
    if (streams().byIndex.count(index) == 0) {
        const Stream fresh = {environmentHas("ALEXNET_ARCHIVE_SEED") ? environmentNumber("ALEXNET_ARCHIVE_SEED", 0)
                                                                     : clockSeed(),
                              0};
        streams().byIndex[index] = fresh;
    }
}

void restartRandomStream(uint64_t seed) {
    const int index = deviceIndex();
    std::lock_guard<std::mutex> lock(streams().mutex);
    const Stream fresh = {seed, 0};
    streams().byIndex[index] = fresh;
}

RandomNumbers takeRandomNumbers(size_t count) {
    const int index = deviceIndex();
    std::lock_guard<std::mutex> lock(streams().mutex);
    const std::map<int, Stream>::iterator found = streams().byIndex.find(index);
    if (found == streams().byIndex.end()) {
        fprintf(stderr, "random numbers on device %d before NVMatrix::initRandom\n", index);
        exit(EXIT_FAILURE);
    }
    RandomNumbers numbers;
    numbers.seed = found->second.seed;
    numbers.firstBlock = found->second.nextBlock;
    numbers.device = static_cast<uint32_t>(index);
    found->second.nextBlock += (count + 3) / 4;
    return numbers;
}

}  // namespace companion
