// The CPU flavour reads the colour list and refuses one that is not what the interface promises.
#include "direct.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace check;

namespace {

bool aborts(const Layer& l) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(1);
        Held h(l.hidden(1)), w(l.weights(2));
        NVMatrix target;
        libraryImgActs(l, *h, *w, target, 0, 1);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

CASE(connections_refused) {
    Layer l = {"", 2, 4, 4, 4, 4, 3, 2, 2, 0, 1, 2, 2, {2, 0, 3, 1}, false};
    CHECK(!aborts(l));
    l.connections = {2, 0, 3, 2};
    CHECK(aborts(l));
    l.connections = {2, 0, 3, 4};
    CHECK(aborts(l));
    l.connections = {2, 0, 3, -1};
    CHECK(aborts(l));
}

TEST_MAIN
