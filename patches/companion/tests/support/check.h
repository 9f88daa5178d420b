// A small frame for conformance programs, usable under g++ and nvcc: CASE(name) { ... } with CHECK*, one program per file,
// `program` runs every case in its own process, `program NAME` one, `program --list` prints the names. A program whose case made no check fails.
#ifndef COMPANION_TESTS_CHECK_H
#define COMPANION_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <string>
#include <vector>

namespace check {

struct Case {
    const char* name;
    void (*run)();
};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

struct Counts {
    long checks;
    long failures;
};

inline Counts& counts() {
    static Counts all = {0, 0};
    return all;
}

struct Register {
    Register(const char* name, void (*run)()) {
        const Case one = {name, run};
        cases().push_back(one);
    }
};

// The first failures are printed, all are counted.
inline void report(bool passed, const char* file, int line, const std::string& message) {
    counts().checks++;
    if (!passed && counts().failures++ < 20) {
        fprintf(stderr, "%s:%d: %s\n", file, line, message.c_str());
    }
}

// Finite first, then the distance, so that NaN fails.
inline bool close(double found, double expected, double tolerance) {
    return std::isfinite(found) && std::isfinite(expected) &&
           std::fabs(found - expected) <= tolerance * (1 + std::fabs(expected));
}

// What the program's cases need and this machine may lack; set by device.h.
struct Need {
    bool (*isMet)();
    const char* missing;
};

inline Need& need() {
    static Need one = {nullptr, ""};
    return one;
}

// ctest's and Automake's word for "skipped".
const int SKIPPED = 77;

// Runs one case in this process.
inline bool run(const Case& one) {
    counts() = Counts{0, 0};
    one.run();
    const bool passed = counts().checks > 0 && counts().failures == 0;
    printf("%s %s: %ld checks, %ld failed\n", passed ? "ok  " : "FAIL", one.name, counts().checks, counts().failures);
    fflush(stdout);
    return passed;
}

// Runs one case in a process of its own, for cases set environment variables that are read once.
inline bool runApart(char* program, const Case& one) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        char* const arguments[] = {program, const_cast<char*>(one.name), nullptr};
        execv("/proc/self/exe", arguments);
        _exit(99);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

inline int main(int argc, char** argv) {
    const bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    if (!list && need().isMet != nullptr && !need().isMet()) {
        printf("not run: %s\n", need().missing);
        return SKIPPED;
    }
    int ran = 0, failed = 0;
    for (const Case& one : cases()) {
        if (list) {
            printf("%s\n", one.name);
        } else if (argc == 1 || strcmp(argv[1], one.name) == 0) {
            ran++;
            failed += (argc == 1 ? runApart(argv[0], one) : run(one)) ? 0 : 1;
        }
    }
    return list ? 0 : ran == 0 || failed > 0;
}

}  // namespace check

#define CASE(name)                                             \
    static void name();                                        \
    static check::Register register_##name(#name, name);       \
    static void name()

#define CHECK(condition) check::report((condition), __FILE__, __LINE__, #condition)

#define CHECK_EQUAL(found, expected)                                                                            \
    do {                                                                                                        \
        const auto foundValue = (found);                                                                        \
        const decltype(foundValue) expectedValue = (expected);                                                  \
        check::report(foundValue == expectedValue, __FILE__, __LINE__,                                          \
                      std::string(#found " is ") + std::to_string(foundValue) + ", expected " + std::to_string(expectedValue)); \
    } while (0)

// |found - expected| <= tolerance * (1 + |expected|), both finite.
#define CHECK_CLOSE(found, expected, tolerance)                                                                 \
    do {                                                                                                        \
        const double foundValue = (found), expectedValue = (expected);                                          \
        check::report(check::close(foundValue, expectedValue, (tolerance)), __FILE__, __LINE__,                 \
                      std::string(#found " is ") + std::to_string(foundValue) + ", expected " + std::to_string(expectedValue)); \
    } while (0)

#define TEST_MAIN \
    int main(int argc, char** argv) { return check::main(argc, argv); }

#endif
