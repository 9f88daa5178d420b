// See kernels.cuh. Credits with ties: engine-semantics section 2.18.
#include <assert.h>
#include <helper_cuda.h>
#include <kernels.cuh>

static const int SCORE_THREADS = 128;
static const int GRADIENT_THREADS_X = 32;
static const int GRADIENT_THREADS_Y = 4;

__global__ void kScoreLabels(const float* labels, const float* probs, float* logProbs, float* top1, float* topK,
                             int numCases, int numOut, int k) {
    const int n = blockIdx.x * SCORE_THREADS + threadIdx.x;
    if (n < numCases) {
        const float labelProb = probs[(int)labels[n] * numCases + n];
        int bigger = 0, equal = 0;
        for (int j = 0; j < numOut; j++) {
            bigger += probs[j * numCases + n] > labelProb;
            equal += probs[j * numCases + n] == labelProb;
        }
        const int left = k - bigger;
        logProbs[n] = __logf(labelProb);
        top1[n] = bigger > 0 ? 0.0f : 1.0f / equal;
        topK[n] = left <= 0 ? 0.0f : (equal <= left ? 1.0f : (float)left / equal);
    }
}

template <bool add>
__global__ void kSoftmaxLabelGradient(const float* labels, const float* probs, float* target, int numCases, int numOut,
                                      float coeff) {
    const int n = blockIdx.x * GRADIENT_THREADS_X + threadIdx.x;
    const int j = blockIdx.y * GRADIENT_THREADS_Y + threadIdx.y;
    if (n < numCases && j < numOut) {
        const int at = j * numCases + n;
        const float value = coeff * ((j == (int)labels[n]) - probs[at]);
        target[at] = add ? target[at] + value : value;
    }
}

void scoreLabels(NVMatrix& labels, NVMatrix& probs, NVMatrix& logProbs, NVMatrix& top1, NVMatrix& topK, int k) {
    const int numCases = probs.getNumCols();
    assert(labels.getNumElements() == numCases && !probs.isTrans() && probs.isContiguous());
    logProbs.resize(1, numCases);
    top1.resize(1, numCases);
    topK.resize(1, numCases);
    dim3 threads(SCORE_THREADS, 1);
    dim3 blocks(DIVUP(numCases, SCORE_THREADS), 1);
    cudaFuncSetCacheConfig(kScoreLabels, cudaFuncCachePreferL1);
    kScoreLabels<<<blocks, threads>>>(labels.getDevData(), probs.getDevData(), logProbs.getDevData(),
                                      top1.getDevData(), topK.getDevData(), numCases, probs.getNumRows(), k);
    getLastCudaError("kScoreLabels: launch failed");
}

void softmaxLabelGradient(NVMatrix& labels, NVMatrix& probs, NVMatrix& target, bool add, float coeff) {
    const int numCases = probs.getLeadingDim();
    const int numOut = probs.getFollowingDim();
    assert(labels.getNumElements() == numCases && probs.isTrans() && probs.isContiguous());
    if (!add) {
        target.resize(probs);
    }
    dim3 threads(GRADIENT_THREADS_X, GRADIENT_THREADS_Y);
    dim3 blocks(DIVUP(numCases, GRADIENT_THREADS_X), DIVUP(numOut, GRADIENT_THREADS_Y));
    if (add) {
        kSoftmaxLabelGradient<true><<<blocks, threads>>>(labels.getDevData(), probs.getDevData(), target.getDevData(),
                                                         numCases, numOut, coeff);
    } else {
        kSoftmaxLabelGradient<false><<<blocks, threads>>>(labels.getDevData(), probs.getDevData(), target.getDevData(),
                                                          numCases, numOut, coeff);
    }
    getLastCudaError("kSoftmaxLabelGradient: launch failed");
}
