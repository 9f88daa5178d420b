// ThreadSynchronizer: a barrier of n threads that can be used again at once (companion-native 5.5).
#ifndef COMPANION_SYNC_H
#define COMPANION_SYNC_H

#include <pthread.h>

class ThreadSynchronizer {
public:
    explicit ThreadSynchronizer(int numThreads) : _numThreads(numThreads), _arrived(0), _generation(0) {
        pthread_mutex_init(&_mutex, nullptr);
        pthread_cond_init(&_complete, nullptr);
    }

    ~ThreadSynchronizer() {
        pthread_cond_destroy(&_complete);
        pthread_mutex_destroy(&_mutex);
    }

    ThreadSynchronizer(const ThreadSynchronizer&) = delete;
    ThreadSynchronizer& operator=(const ThreadSynchronizer&) = delete;

    // Returns when as many threads as were announced have called it. The generation keeps a thread that is early for the
    // next round, or one that wakes without cause, from passing.
    void sync() {
        pthread_mutex_lock(&_mutex);
        const unsigned long mine = _generation;
        if (++_arrived == _numThreads) {
            _arrived = 0;
            _generation++;
            pthread_cond_broadcast(&_complete);
        } else {
            while (mine == _generation) {
                pthread_cond_wait(&_complete, &_mutex);
            }
        }
        pthread_mutex_unlock(&_mutex);
    }

private:
    const int _numThreads;
    int _arrived;
    unsigned long _generation;
    pthread_mutex_t _mutex;
    pthread_cond_t _complete;
};

#endif
