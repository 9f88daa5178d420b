// Thread: a class whose run() becomes a thread of the operating system, on request bound to some CPUs
// (companion-native 5.4). Plain C++ for the host compiler (IO-11).
#ifndef COMPANION_THREAD_H
#define COMPANION_THREAD_H

#include <pthread.h>
#include <vector>

class Thread {
public:
    explicit Thread(bool joinable);

    // `cpus`: the CPU numbers to run on. Empty, or a negative first number, means any; numbers that the machine lacks or
    // that the process may not use are left out.
    Thread(bool joinable, std::vector<int>& cpus);

    virtual ~Thread();

    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    // Once only. Ends the program with a message if the system refuses a thread.
    void start();

    // Waits for the end of run(); joinable threads only.
    void join();

protected:
    virtual void* run() = 0;

private:
    static void* enter(void* self);

    bool _joinable;
    bool _started;
    int _deviceThread;
    std::vector<int> _cpus;
    pthread_t _thread;
};

#endif
