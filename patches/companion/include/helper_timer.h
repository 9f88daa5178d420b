// The stop-watch that test.cu uses; the module needs only that the header exists (companion-native 5.7).
#ifndef COMPANION_HELPER_TIMER_H
#define COMPANION_HELPER_TIMER_H

#include <time.h>

class StopWatchInterface {
public:
    StopWatchInterface() : _total(0), _started(0), _running(false) {}

    void start() {
        _started = now();
        _running = true;
    }

    void stop() {
        if (_running) {
            _total += now() - _started;
        }
        _running = false;
    }

    void reset() {
        _total = 0;
        _started = now();
    }

    // Milliseconds measured so far, those of the present run included.
    float elapsed() const { return static_cast<float>(_total + (_running ? now() - _started : 0)); }

private:
    static double now() {
        timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
    }

    double _total;
    double _started;
    bool _running;
};

inline bool sdkCreateTimer(StopWatchInterface** timer) {
    *timer = new StopWatchInterface();
    return true;
}

inline bool sdkDeleteTimer(StopWatchInterface** timer) {
    delete *timer;
    *timer = nullptr;
    return true;
}

inline bool sdkResetTimer(StopWatchInterface** timer) {
    (*timer)->reset();
    return true;
}

inline bool sdkStartTimer(StopWatchInterface** timer) {
    (*timer)->start();
    return true;
}

inline bool sdkStopTimer(StopWatchInterface** timer) {
    (*timer)->stop();
    return true;
}

inline float sdkGetTimerValue(StopWatchInterface** timer) { return (*timer)->elapsed(); }

#endif
