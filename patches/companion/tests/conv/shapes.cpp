// Wrong shapes end the program with a message that names the function and both shapes.
#include "direct.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace check;

namespace {

// What `call` prints before it aborts; empty if it does not abort.
template <class Call>
std::string deathMessage(const Call& call) {
    int ends[2];
    if (pipe(ends) != 0) return "";
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        call();
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(got));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? text : "";
}

void checkDeath(const std::string& message, const char* function, const char* part) {
    report(message.find(function) != std::string::npos && message.find(part) != std::string::npos, __FILE__, __LINE__,
           std::string(function) + ": '" + part + "' is not in the message '" + message + "'");
}

const Layer LAYER = {"", 3, 6, 6, 4, 6, 3, 4, 4, 0, 1, 2, 0, {}, false};

}  // namespace

CASE(conv_wrong_shapes) {
    const Layer l = LAYER;
    Held x(l.images(1)), w(l.weights(2)), h(l.hidden(3));
    NVMatrix target;
    checkDeath(deathMessage([&] { convFilterActs(*x, *w, target, 7, 4, 4, 0, 1, 4, 2, 0, 1); }), "convFilterActs",
               "rows of images");
    checkDeath(deathMessage([&] { convFilterActs(*x, *w, target, 6, 4, 4, 0, 1, 4, 3, 0, 1); }), "convFilterActs", "groups");
    Held oblong(Dense(8, 4));
    checkDeath(deathMessage([&] { convFilterActs(*x, *oblong, target, 6, 4, 4, 0, 1, 4, 1, 0, 1); }), "convFilterActs",
               "filter pixels");
    Held small(Dense(5, 3));
    checkDeath(deathMessage([&] { convFilterActs(*x, *w, *small, 6, 4, 4, 0, 1, 4, 2, 1, 1); }), "convFilterActs",
               "5 x 3, expected 96 x 3");
    checkDeath(deathMessage([&] { convImgActs(*small, *w, target, 6, 6, 4, 0, 1, 4, 2, 0, 1); }), "convImgActs", "hidActs");
    checkDeath(deathMessage([&] { convWeightActs(*x, *h, target, 6, 4, 4, 3, 0, 1, 4, 2, 5, 0, 1); }), "convWeightActs",
               "partial sums");
    Held fewer(Dense(l.filters * l.modules(), 2));
    checkDeath(deathMessage([&] { convWeightActs(*x, *fewer, target, 6, 4, 4, 3, 0, 1, 4, 2, 0, 0, 1); }), "convWeightActs",
               "96 x 2, expected 96 x 3");
}

CASE(util_wrong_shapes) {
    Held x(random(2 * 25, 3, 1)), odd(Dense(26, 3));
    NVMatrix a, b;
    checkDeath(deathMessage([&] { convLocalAvgUndo(*odd, a, 3, 0, 2, 2, 5, 0, 1); }), "convLocalAvgUndo", "whole maps");
    checkDeath(deathMessage([&] { convResponseNorm(*odd, a, b, 2, 3, 1, 1); }), "convResponseNorm", "pixels of a map");
    checkDeath(deathMessage([&] { convResponseNormCrossMap(*x, a, b, 2, 3, 1, 1, 1, false); }), "convResponseNormCrossMap",
               "sizeF");
    checkDeath(deathMessage([&] { convCrop(*x, a, 5, 3, 3, 0); }), "convCrop", "startY");
    checkDeath(deathMessage([&] { convBedOfNails(*x, a, 2, 5, 3, 2, 0, 1); }), "convBedOfNails", "last sampled pixel");
    checkDeath(deathMessage([&] { convRGBToYUV(*odd, a); }), "convRGBToYUV", "three colours");
    checkDeath(deathMessage([&] { convDequantizeHalf(*x, a, 5, 0, 1); }), "convDequantizeHalf", "elements of src");
    checkDeath(deathMessage([&] { normalizeLocalWeights(*x, 7, 1); }), "normalizeLocalWeights", "modules");
}

TEST_MAIN
