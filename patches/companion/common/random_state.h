// Starting the random stream of the calling thread's device (RANDOM.md).
#ifndef COMPANION_RANDOM_STATE_H
#define COMPANION_RANDOM_STATE_H

#include <stdint.h>

namespace companion {

// Seed from ALEXNET_ARCHIVE_SEED, else the clock. Does nothing if the stream has been started.
void startRandomStream();

// From block 0 under the given seed.
void restartRandomStream(uint64_t seed);

}  // namespace companion

#endif
