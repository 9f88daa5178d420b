// Running one block of a kernel launch. The first thread of a block runs as a fiber. If it ends without having met a
// barrier the others are plain calls; else all become fibers and are resumed in turn from barrier to barrier. A block stays
// on one thread of the operating system, so its `__shared__` variables can be thread-local (companion-native 7.4).
//
// A fiber is entered once by its context and then by jumps: swapcontext asks the kernel for the signal mask at every
// switch, and a block of 256 threads switches 512 times for each barrier.
#undef _FORTIFY_SOURCE  // its longjmp takes a jump to another stack for an overflow
#include <cuda_runtime.h>

#include <setjmp.h>
#include <ucontext.h>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "../common/environment.h"
#include "errors.h"

namespace companion_cpu {

#define COMPANION_BUILTIN __thread __attribute__((tls_model("initial-exec")))
COMPANION_BUILTIN uint3 currentThread;
COMPANION_BUILTIN uint3 currentBlock;
COMPANION_BUILTIN uint3 currentBlockSize;
COMPANION_BUILTIN uint3 currentGrid;

namespace {

const size_t STACK_BYTES = 128 * 1024;
const long MAX_THREADS = 1024;

// A context with its own stack. The sanitizers are told of every switch, for they follow stacks.
class Fiber {
public:
    explicit Fiber(void (*entry)()) : _stack(new char[STACK_BYTES]), _started(false), _finished(true) {
        getcontext(&_context);
        _context.uc_stack.ss_sp = _stack.get();
        _context.uc_stack.ss_size = STACK_BYTES;
        _context.uc_link = nullptr;
        makecontext(&_context, entry, 0);
#if defined(__SANITIZE_THREAD__)
        _tsanFiber = __tsan_create_fiber(0);
#endif
    }

    ~Fiber() {
#if defined(__SANITIZE_THREAD__)
        __tsan_destroy_fiber(_tsanFiber);
#endif
    }

    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // From the owner of the block into the fiber; comes back at a barrier or at the end of its task. True at the end.
    bool resume() {
#if defined(__SANITIZE_THREAD__)
        _tsanOwner = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(_tsanFiber, 0);
#endif
#if defined(__SANITIZE_ADDRESS__)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, _stack.get(), STACK_BYTES);
#endif
        if (_setjmp(_owner) == 0) {
            if (_started) {
                _longjmp(_inside, 1);
            }
            _started = true;
            setcontext(&_context);
        }
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
        return _finished;
    }

    // First thing on the fiber.
    void entered() {
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &_ownerStack, &_ownerStackBytes);
#endif
    }

    // Back to the owner; comes back when it is resumed, after the end of its task for another.
    void leave(bool finished) {
        _finished = finished;
#if defined(__SANITIZE_THREAD__)
        __tsan_switch_to_fiber(_tsanOwner, 0);
#endif
#if defined(__SANITIZE_ADDRESS__)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(finished ? nullptr : &fake, _ownerStack, _ownerStackBytes);
#endif
        if (_setjmp(_inside) == 0) {
            _longjmp(_owner, 1);
        }
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(fake, &_ownerStack, &_ownerStackBytes);
#endif
    }

private:
    ucontext_t _context;
    jmp_buf _owner;
    jmp_buf _inside;
    std::unique_ptr<char[]> _stack;
    bool _started;
    bool _finished;
#if defined(__SANITIZE_ADDRESS__)
    const void* _ownerStack;
    size_t _ownerStackBytes;
#endif
#if defined(__SANITIZE_THREAD__)
    void* _tsanFiber;
    void* _tsanOwner;
#endif
};

// Runs blocks on one thread of the operating system; stacks and shared memory are kept for the next block.
class BlockRunner {
public:
    BlockRunner() : _task(nullptr), _fiber(nullptr), _count(0) {}

    void run(dim3 block, size_t sharedBytes, Task& task) {
        if (_shared.size() * sizeof(double) < sharedBytes) {
            _shared.resize((sharedBytes + sizeof(double) - 1) / sizeof(double));
        }
        _task = &task;
        _block = block;
        _count = static_cast<long>(block.x) * block.y * block.z;
        const bool ended = resume(0);
        // In reverse the first to run is the thread most likely to have no work, which says nothing of the others.
        if (!ended || isReversed()) {
            finish(ended);
            return;
        }
        for (long n = 1; n < _count; n++) {
            setThread(n);
            task.run();
        }
    }

    void wait() {
        if (_fiber == nullptr) {
            fprintf(stderr, "__syncthreads: a thread waits for another of its block that has already ended\n");
            abort();
        }
        _fiber->leave(false);
    }

    void* shared() { return _shared.data(); }

    void* slots(size_t bytes) {
        _slots.resize(MAX_THREADS * bytes / sizeof(double) + 1);
        return _slots.data();
    }

private:
    // The first thread waits at a barrier, or has ended: bring the others there, then all together to the next.
    void finish(bool firstEnded) {
        std::vector<bool> ended(_count, false);
        ended[0] = firstEnded;
        long running = firstEnded ? _count - 1 : _count;
        for (long start = 1; running > 0; start = 0) {
            for (long n = start; n < _count; n++) {
                if (!ended[n] && resume(n)) {
                    ended[n] = true;
                    running--;
                }
            }
        }
    }

    // Lets the n-th thread in turn run to its next barrier or its end; true at its end.
    bool resume(long n) {
        while (static_cast<long>(_fibers.size()) <= n) {
            _fibers.emplace_back(new Fiber(&BlockRunner::enter));
        }
        setThread(n);
        _fiber = _fibers[n].get();
        const bool ended = _fiber->resume();
        _fiber = nullptr;
        return ended;
    }

    // A thread runs as far ahead of those after it as barriers let it, so a missing barrier shows in one order or the other.
    static bool isReversed() {
        static const bool reversed = companion::environmentNumber("ALEXNET_ARCHIVE_CPU_REVERSE", 0) != 0;
        return reversed;
    }

    void setThread(long turn) {
        const long n = isReversed() ? _count - 1 - turn : turn;
        currentThread.x = n % _block.x;
        currentThread.y = n / _block.x % _block.y;
        currentThread.z = n / _block.x / _block.y;
    }

    static void enter();

    Task* _task;
    Fiber* _fiber;
    dim3 _block;
    long _count;
    std::vector<std::unique_ptr<Fiber>> _fibers;
    std::vector<double> _shared;
    std::vector<double> _slots;
};

BlockRunner& runner() {
    static thread_local BlockRunner mine;
    return mine;
}

void BlockRunner::enter() {
    Fiber* const fiber = runner()._fiber;
    fiber->entered();
    for (;;) {
        runner()._task->run();
        fiber->leave(true);
    }
}

uint3 unravel(long index, dim3 extent) {
    uint3 position;
    position.x = index % extent.x;
    position.y = index / extent.x % extent.y;
    position.z = index / extent.x / extent.y;
    return position;
}

uint3 extentOf(dim3 d) {
    const uint3 extent = {d.x, d.y, d.z};
    return extent;
}

}  // namespace

void syncThreads() { runner().wait(); }

void* dynamicShared() { return runner().shared(); }

void* warpSlots(size_t bytes) { return runner().slots(bytes); }

bool launchIsValid(dim3 grid, dim3 block) {
    const long threadCount = static_cast<long>(block.x) * block.y * block.z;
    const bool valid = threadCount > 0 && threadCount <= MAX_THREADS && grid.x > 0 && grid.y > 0 && grid.z > 0;
    if (!valid) {
        remember(cudaErrorInvalidConfiguration);
    }
    return valid;
}

void runBlock(dim3 grid, dim3 block, size_t sharedBytes, long index, Task& task) {
    currentGrid = extentOf(grid);
    currentBlockSize = extentOf(block);
    currentBlock = unravel(index, grid);
    runner().run(block, sharedBytes, task);
}

}  // namespace companion_cpu
