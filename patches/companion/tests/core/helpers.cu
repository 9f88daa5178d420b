// Error checks, macros, the stop-watch and what test.cu includes (companion-native 3.4, 5.6 to 5.8).
#include <test.cuh>

#include <sys/wait.h>
#include <unistd.h>

#include "device.h"

namespace {

int evaluations = 0;

cudaError_t countedSuccess() {
    evaluations++;
    return cudaSuccess;
}

// What a child process that runs `body` wrote to standard error, and its exit status.
template <class Body>
std::string outputOf(Body body, int& status) {
    int ends[2];
    if (pipe(ends) != 0) {
        return "";
    }
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        body();
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char buffer[256];
    for (ssize_t n = read(ends[0], buffer, sizeof(buffer)); n > 0; n = read(ends[0], buffer, sizeof(buffer))) {
        text.append(buffer, static_cast<size_t>(n));
    }
    close(ends[0]);
    int raw = 0;
    waitpid(child, &raw, 0);
    status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    return text;
}

}  // namespace

CASE(errors_name_file_line_and_reason) {
    int status = -1;
    const std::string text = outputOf([]() { checkCudaErrors(cudaErrorInvalidValue); }, status);
    CHECK_EQUAL(status, EXIT_FAILURE);
    CHECK(text.find("helpers.cu:") != std::string::npos);
    CHECK(text.find(cudaGetErrorString(cudaErrorInvalidValue)) != std::string::npos);
    CHECK(text.find("cudaErrorInvalidValue") != std::string::npos);
}

CASE(success_is_silent_and_evaluated_once) {
    checkCudaErrors(countedSuccess());
    CHECK_EQUAL(evaluations, 1);
    getLastCudaError("nothing happened");
}

CASE(the_last_error_is_reported_with_its_message) {
    int status = -1;
    const std::string text = outputOf(
        []() {
            cudaSetDevice(1 << 20);
            getLastCudaError("choosing a device");
        },
        status);
    CHECK_EQUAL(status, EXIT_FAILURE);
    CHECK(text.find("choosing a device") != std::string::npos);
}

CASE(divup_rounds_up) {
    CHECK_EQUAL(DIVUP(10, 5), 2);
    CHECK_EQUAL(DIVUP(11, 5), 3);
    CHECK_EQUAL(DIVUP(2 + 3, 1 + 3), 2);
}

CASE(the_stop_watch_measures_milliseconds) {
    StopWatchInterface* timer = nullptr;
    CHECK(sdkCreateTimer(&timer));
    CHECK(sdkResetTimer(&timer) && sdkStartTimer(&timer));
    usleep(30000);
    sdkStopTimer(&timer);
    const float once = sdkGetTimerValue(&timer);
    usleep(5000);
    CHECK_CLOSE(sdkGetTimerValue(&timer), once, 0);
    CHECK(once >= 29 && once < 5000);
    sdkResetTimer(&timer);
    CHECK_CLOSE(sdkGetTimerValue(&timer), 0, 0);
    sdkDeleteTimer(&timer);
    CHECK(timer == nullptr);
}

CASE(the_board_lock_is_never_taken) {
    CHECK_EQUAL(get_board_lock(), GPU_LOCK_NO_SCRIPT);
    CHECK(GPU_LOCK_NO_SCRIPT != GPU_LOCK_NO_BOARD);
    CHECK_EQUAL(static_cast<int>(cudaThreadSynchronize()), 0);
}

CASE(peer_access_may_be_asked_for_again_and_for_the_device_itself) {
    checkCudaErrors(cudaSetDevice(0));
    int count = 0, can = 0;
    checkCudaErrors(cudaGetDeviceCount(&count));
    CHECK_EQUAL(static_cast<int>(cudaDeviceEnablePeerAccess(0, 0)), static_cast<int>(cudaSuccess));
    if (count > 1) {
        checkCudaErrors(cudaDeviceCanAccessPeer(&can, 0, 1));
    }
    for (int time = 0; can != 0 && time < 2; time++) {
        CHECK_EQUAL(static_cast<int>(cudaDeviceEnablePeerAccess(1, 0)), static_cast<int>(cudaSuccess));
    }
    CHECK_EQUAL(static_cast<int>(cudaGetLastError()), static_cast<int>(cudaSuccess));
    CHECK(cudaDeviceEnablePeerAccess(count, 0) != cudaSuccess);
    cudaGetLastError();
}

TEST_MAIN
