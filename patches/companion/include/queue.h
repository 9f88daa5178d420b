// Queue<T>: an unbounded first-in first-out queue between threads (companion-native 5.3).
// <deque> is first read by matrix.h, before multisoftmax.h defines EXP, LOG and INF (IO-5).
#ifndef COMPANION_QUEUE_H
#define COMPANION_QUEUE_H

#include <pthread.h>
#include <deque>

template <class T>
class Queue {
public:
    Queue() {
        pthread_mutex_init(&_mutex, nullptr);
        pthread_cond_init(&_arrived, nullptr);
    }

    ~Queue() {
        pthread_cond_destroy(&_arrived);
        pthread_mutex_destroy(&_mutex);
    }

    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    void enqueue(T element) {
        pthread_mutex_lock(&_mutex);
        _elements.push_back(element);
        pthread_cond_signal(&_arrived);
        pthread_mutex_unlock(&_mutex);
    }

    // The oldest element; waits until there is one.
    T dequeue() {
        pthread_mutex_lock(&_mutex);
        while (_elements.empty()) {
            pthread_cond_wait(&_arrived, &_mutex);
        }
        T element = _elements.front();
        _elements.pop_front();
        pthread_mutex_unlock(&_mutex);
        return element;
    }

private:
    std::deque<T> _elements;
    pthread_mutex_t _mutex;
    pthread_cond_t _arrived;
};

#endif
