// Kernels that the layers launch themselves, behind functions.
#ifndef STANDIN_KERNELS_CUH
#define STANDIN_KERNELS_CUH

#include <nvmatrix.cuh>

// labels (1, N), probs (J, N), all plain. logProbs, top1 and topK become (1, N): ln p of the label and the two credits.
void scoreLabels(NVMatrix& labels, NVMatrix& probs, NVMatrix& logProbs, NVMatrix& top1, NVMatrix& topK, int k);

// probs and target (N, J) transposed: target = (add ? target : 0) + coeff * ([j == label] - probs).
void softmaxLabelGradient(NVMatrix& labels, NVMatrix& probs, NVMatrix& target, bool add, float coeff);

#endif
