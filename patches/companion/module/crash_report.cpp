// Linked into the module beside the release: where ALEXNET_ARCHIVE_CRASH_REPORT is set, a crash prints the native stack
// before the process ends as it would have ended. The harness sets it; nothing else changes.
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

namespace {

void report(int number) {
    static const char title[] = "\nalexnet-archive: native stack of the crashed thread\n";
    void* frames[64];
    ssize_t written = write(STDERR_FILENO, title, sizeof(title) - 1);
    (void)written;
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

struct Installer {
    Installer() {
        if (getenv("ALEXNET_ARCHIVE_CRASH_REPORT") == NULL) {
            return;
        }
        void* frame[1];
        // The first call loads a library; inside a handler that could hang.
        backtrace(frame, 1);
        const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            signal(numbers[i], report);
        }
    }
};

Installer installer;

}  // namespace
