// Virtual devices of the CPU flavour: how many there are, which one a thread uses, who may read whose memory, and how many
// threads a loop gets (companion-native 7.4).
#include <cuda_runtime.h>

#include <atomic>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "../common/environment.h"
#include "errors.h"

namespace companion_cpu {

namespace {

thread_local int currentDevice = 0;
thread_local cudaError_t lastError = cudaSuccess;

// What all threads share. Never destroyed: the release's threads are still there when the program ends.
struct Shared {
    std::mutex mutex;
    // Devices that some thread has selected: they share the machine's processors.
    std::set<int> used;
    // (device, peer) pairs with access enabled.
    std::set<std::pair<int, int>> peers;
};

Shared& shared() {
    static Shared* const one = new Shared();
    return *one;
}

std::atomic<int> usedCount(0);

int deviceCount() {
    static const int count = static_cast<int>(companion::environmentNumber("ALEXNET_ARCHIVE_CPU_DEVICES", 8));
    return count;
}

bool isDevice(int device) { return device >= 0 && device < deviceCount(); }

bool peersAllowed() {
    static const bool allowed = companion::environmentNumber("ALEXNET_ARCHIVE_CPU_PEER_ACCESS", 1) != 0;
    return allowed;
}

int processors() {
    static const int given = static_cast<int>(companion::environmentNumber("ALEXNET_ARCHIVE_CPU_THREADS", 0));
    if (given > 0) {
        return given;
    }
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

}  // namespace

cudaError_t remember(cudaError_t error) {
    if (error != cudaSuccess) {
        lastError = error;
    }
    return error;
}

int threads() {
    const int share = processors() / std::max(1, usedCount.load(std::memory_order_relaxed));
    return share < 1 ? 1 : share;
}

}  // namespace companion_cpu

using namespace companion_cpu;

cudaError_t cudaGetDeviceCount(int* count) {
    *count = deviceCount();
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
    *device = currentDevice;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    if (!isDevice(device)) {
        return remember(cudaErrorInvalidDevice);
    }
    currentDevice = device;
    std::lock_guard<std::mutex> lock(shared().mutex);
    shared().used.insert(device);
    usedCount.store(static_cast<int>(shared().used.size()), std::memory_order_relaxed);
    return cudaSuccess;
}

// All work is done when a call returns.
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
    if (!isDevice(device) || !isDevice(peer)) {
        return remember(cudaErrorInvalidDevice);
    }
    *can = device != peer && peersAllowed();
    return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned int flags) {
    if (flags != 0) {
        return remember(cudaErrorInvalidValue);
    }
    if (!isDevice(peer) || peer == currentDevice) {
        return remember(cudaErrorInvalidDevice);
    }
    if (!peersAllowed()) {
        return remember(cudaErrorPeerAccessUnsupported);
    }
    std::lock_guard<std::mutex> lock(shared().mutex);
    const bool isNew = shared().peers.insert(std::make_pair(currentDevice, peer)).second;
    return isNew ? cudaSuccess : remember(cudaErrorPeerAccessAlreadyEnabled);
}

cudaError_t cudaGetLastError() {
    const cudaError_t error = lastError;
    lastError = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError() { return lastError; }

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "cudaSuccess";
        case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
        case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
        case cudaErrorPeerAccessUnsupported: return "cudaErrorPeerAccessUnsupported";
        case cudaErrorPeerAccessAlreadyEnabled: return "cudaErrorPeerAccessAlreadyEnabled";
    }
    return "unknown error";
}

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "no error";
        case cudaErrorInvalidValue: return "invalid argument";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorInvalidConfiguration: return "a launch needs 1 to 1024 threads per block and a grid that is not empty";
        case cudaErrorInvalidDevice:
            return "no such virtual device; ALEXNET_ARCHIVE_CPU_DEVICES says how many there are (default 8)";
        case cudaErrorPeerAccessUnsupported: return "peer access is switched off by ALEXNET_ARCHIVE_CPU_PEER_ACCESS";
        case cudaErrorPeerAccessAlreadyEnabled: return "peer access is already enabled";
    }
    return "unknown error";
}
