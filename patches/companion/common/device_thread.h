// Which of the run's device threads is the calling one: what tells two devices of a run apart that are one GPU.
#ifndef COMPANION_DEVICE_THREAD_H
#define COMPANION_DEVICE_THREAD_H

namespace companion {

// The thread's place among all that were given a list of CPUs, in the order in which they were made: the release does that
// for the threads of its devices, in the order of the device list (companion-native 5.4). -1 in any other thread.
int deviceThread();

}  // namespace companion

#endif
