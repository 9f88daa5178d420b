// Thread over POSIX threads; see thread.h.
#include <thread.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <atomic>

#include "device_thread.h"

namespace {

thread_local int currentDeviceThread = -1;
std::atomic<int> numDeviceThreads(0);

void require(int error, const char* what) {
    if (error != 0) {
        fprintf(stderr, "Thread: %s: %s\n", what, strerror(error));
        exit(EXIT_FAILURE);
    }
}

// Of the CPUs asked for, those that this process may use; false if none is left or none was asked for.
bool allowedCPUs(const std::vector<int>& wanted, cpu_set_t& set) {
    cpu_set_t allowed;
    CPU_ZERO(&set);
    if (wanted.empty() || wanted[0] < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        return false;
    }
    for (int cpu : wanted) {
        if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed)) {
            CPU_SET(cpu, &set);
        }
    }
    return CPU_COUNT(&set) > 0;
}

}  // namespace

Thread::Thread(bool joinable) : _joinable(joinable), _started(false), _deviceThread(-1), _thread() {}

Thread::Thread(bool joinable, std::vector<int>& cpus)
    : _joinable(joinable), _started(false), _deviceThread(numDeviceThreads++), _cpus(cpus), _thread() {}

Thread::~Thread() {}

void Thread::start() {
    require(_started ? EALREADY : 0, "start");
    _started = true;
    pthread_attr_t attributes;
    require(pthread_attr_init(&attributes), "attributes");
    require(pthread_attr_setdetachstate(&attributes, _joinable ? PTHREAD_CREATE_JOINABLE : PTHREAD_CREATE_DETACHED),
            "detach state");
    cpu_set_t cpus;
    if (allowedCPUs(_cpus, cpus)) {
        require(pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus), "affinity");
    }
    // A detached thread may end, and this object with it, before pthread_create has written its id.
    pthread_t id;
    require(pthread_create(_joinable ? &_thread : &id, &attributes, &Thread::enter, this), "no new thread");
    pthread_attr_destroy(&attributes);
}

void Thread::join() {
    require(_joinable && _started ? 0 : EINVAL, "join");
    require(pthread_join(_thread, nullptr), "join");
}

void* Thread::enter(void* self) {
    Thread* const thread = static_cast<Thread*>(self);
    currentDeviceThread = thread->_deviceThread;
    return thread->run();
}

int companion::deviceThread() { return currentDeviceThread; }
