// Convolution and locally connected layers (companion-native 4.2).
//
// images (Ci*Y*X) x N, hidActs and forward targets (F*M) x N, filters (Cf*S*S) x F, or (M*Cf*S*S) x F for the local
// functions, with row (channel * side + y) * side + x, filter row (c * S + ky) * S + kx and module my * modulesX + mx.
// Cf = Ci / groups; the Sparse forms take it, and a device array of groups*Cf colours that says which colour filter
// colour c of a group sees. paddingStart is minus the padding; pixels outside count as zero; modules may hang over.
// target = scaleTargets * target + scaleOutput * result; with scaleTargets == 0 it is resized and never read. Column-major
// or strided operands are accepted and cost a copy. A wrong shape ends the program with a message. Held by tests/conv.
#ifndef COMPANION_CUDACONV2_CUH
#define COMPANION_CUDACONV2_CUH

#include <conv_util.cuh>

void convFilterActs(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int numModulesY,
                    int numModulesX, int paddingStart, int moduleStride, int numImgColors, int numGroups,
                    float scaleTargets, float scaleOutput);
void localFilterActs(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int numModulesY,
                     int numModulesX, int paddingStart, int moduleStride, int numImgColors, int numGroups,
                     float scaleTargets, float scaleOutput);

void convImgActs(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int imgSizeX, int numModulesY,
                 int paddingStart, int moduleStride, int numImgColors, int numGroups, float scaleTargets,
                 float scaleOutput);
void localImgActs(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int imgSizeY, int imgSizeX, int numModulesY,
                  int paddingStart, int moduleStride, int numImgColors, int numGroups, float scaleTargets,
                  float scaleOutput);

// targets ((M/partialSum)*Cf*S*S) x F: one block for each run of partialSum modules, or one for all if it is 0. No value
// is accumulated over more than partialSum modules (one block if 0).
void convWeightActs(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int imgSizeY, int numModulesY,
                    int numModulesX, int filterSize, int paddingStart, int moduleStride, int numImgColors,
                    int numGroups, int partialSum, float scaleTargets, float scaleOutput);
void localWeightActs(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int imgSizeY, int numModulesY,
                     int numModulesX, int filterSize, int paddingStart, int moduleStride, int numImgColors,
                     int numGroups, float scaleTargets, float scaleOutput);

void convFilterActsSparse(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                          int numModulesY, int numModulesX, int paddingStart, int moduleStride, int numImgColors,
                          int numFilterColors, int numGroups, float scaleTargets, float scaleOutput);
void localFilterActsSparse(NVMatrix& images, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                           int numModulesY, int numModulesX, int paddingStart, int moduleStride, int numImgColors,
                           int numFilterColors, int numGroups, float scaleTargets, float scaleOutput);

// The colour list must be consecutive permutations of the Ci colours, O = groups*Cf/Ci of them; targets (O*Ci*Y*X) x N
// hold one gradient for each permutation.
void convImgActsSparse(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                       int imgSizeX, int numModulesY, int paddingStart, int moduleStride, int numImgColors,
                       int numFilterColors, int numGroups, float scaleTargets, float scaleOutput);
void localImgActsSparse(NVMatrix& hidActs, NVMatrix& filters, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                        int imgSizeX, int numModulesY, int paddingStart, int moduleStride, int numImgColors,
                        int numFilterColors, int numGroups, float scaleTargets, float scaleOutput);

void convWeightActsSparse(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                          int numModulesY, int numModulesX, int filterSize, int paddingStart, int moduleStride,
                          int numImgColors, int numFilterColors, int numGroups, int partialSum, float scaleTargets,
                          float scaleOutput);
void localWeightActsSparse(NVMatrix& images, NVMatrix& hidActs, NVMatrix& targets, int* dColorIndices, int imgSizeY,
                           int numModulesY, int numModulesX, int filterSize, int paddingStart, int moduleStride,
                           int numImgColors, int numFilterColors, int numGroups, float scaleTargets,
                           float scaleOutput);

#endif
