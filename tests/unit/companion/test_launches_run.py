"""Rewritten launches compile and compute: every form of companion-native 7.3 and 7.4, from CUDA text to numbers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from alexnet_archive.assembly.launches import rewrite_launches
from tests.companion import released

pytestmark = [pytest.mark.native, pytest.mark.xdist_group("launches")]

SOURCE = r"""
#include <nvmatrix.cuh>

__global__ void kPlain(const float* p, float* out, const int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { out[i] = 2 * p[i]; }
}
template <bool add> __global__ void kGrad(float* g, const int rows, const int cols, const float c) {
    const uint x = blockIdx.x * 32 + threadIdx.x;
    const uint y = blockIdx.y * 4 + threadIdx.y;
    if (x < cols && y < rows) { g[y * cols + x] = (add ? g[y * cols + x] : 0) + c; }
}
template <int B, bool add> __global__ void kStride(float* g, const int n) {
    for (int i = B * blockIdx.x + threadIdx.x; i < n; i += B * gridDim.x) { g[i] += add ? 1 : -1; }
}
// One node per block row: thread 0 reads what all use, then all load, then all read what all loaded.
template <int B> __global__ void kTree(ushort2** pairs, float* sums, const int n) {
    __shared__ ushort2 pair;
    __shared__ ushort children[B];
    if (threadIdx.x == 0) { pair = (*pairs)[blockIdx.y]; }
    __syncthreads();
    float sum = 0;
    for (int first = 0; first < pair.y; first += B) {
        if (first + threadIdx.x < pair.y) { children[threadIdx.x] = pair.x + first + threadIdx.x; }
        __syncthreads();
        for (int c = 0; c < min(B, pair.y - first); c++) { sum += children[c]; }
        __syncthreads();
    }
    const int i = blockIdx.x * B + threadIdx.x;
    if (i < n) { sums[blockIdx.y * n + i] = sum; }
}
template <int B> __global__ void kDynamic(float* values) {
    extern __shared__ float shmem[];
    shmem[threadIdx.x] = values[threadIdx.x];
    __syncthreads();
    values[threadIdx.x] = shmem[B - 1 - threadIdx.x];
}

int main() {
    const int n = 1000;
    NVMatrix p(1, n), out(1, n), g(30, 50), s(1, n), v(1, 32);
    p.apply(NVMatrixOps::Zero());
    p.smallerThanScalar(1);
    s.apply(NVMatrixOps::Zero());
    dim3 threads(128, 1), blocks(DIVUP(n, 128));
    cudaFuncSetCacheConfig(kPlain, cudaFuncCachePreferL1);
    kPlain<<<blocks, threads>>>(p.getDevData(), out.getDevData(), // the arguments span lines
                                n);
    getLastCudaError("kPlain");
    blocks = dim3(DIVUP(50, 32), DIVUP(30, 4)); threads = dim3(32, 4);
    kGrad<false><<<blocks, threads>>>(g.getDevData(), 30, 50, 3);
    cudaFuncSetCacheConfig(kGrad<true>, cudaFuncCachePreferL1);
    kGrad<true><<<blocks, threads>>>(g.getDevData(), 30, 50, 0.5);
    if (n > 1) kStride<128, true><<<dim3(3), dim3(128)>>>(s.getDevData(), n); else kStride<128, false><<<1, 128>>>(NULL, 0);
    ushort2* pairs; ushort2** table; float* sums;
    checkCudaErrors(cudaHostAlloc(&pairs, 2 * sizeof(ushort2), cudaHostAllocPortable));
    checkCudaErrors(cudaHostAlloc(&table, sizeof(ushort2*), cudaHostAllocPortable));
    checkCudaErrors(cudaMalloc(&sums, 2 * 70 * sizeof(float)));
    pairs[0].x = 5; pairs[0].y = 3; pairs[1].x = 10; pairs[1].y = 150; *table = pairs;
    kTree<64><<<dim3(2, 2), 64>>>(table, sums, 70);
    getLastCudaError("kTree");
    for (int i = 0; i < 32; i++) { v.getDevData()[i] = i; }
    kDynamic<32><<<1, 32, 32 * sizeof(float)>>>(v.getDevData());
    getLastCudaError("kDynamic");
    bool tree = true;
    for (int i = 0; i < 70; i++) { tree = tree && sums[i] == 18 && sums[70 + i] == 150 * 10 + 150 * 149 / 2; }
    printf("%g %g %g %d %g %g\n", out.sum(), g.sum(), s.sum(), tree, v.getDevData()[0], v.getDevData()[31]);
    return 0;
}
"""


def test_every_form_of_launch_computes(tmp_path: Path) -> None:
    rewritten = rewrite_launches(SOURCE)
    assert len(rewritten.launches) == 7 and len(rewritten.shared_arrays) == 1
    source = tmp_path / "launches.cpp"
    source.write_text(rewritten.text)
    made = released()
    facts = json.loads((made / "companion.json").read_text())
    command = ["g++", "-std=gnu++14", "-O1", "-Wall", "-Wno-sign-compare", *facts["compile_options"]]
    command += [f"-I{folder}" for folder in facts["include_dirs"]]
    command += [str(source), facts["shared_library"], f"-Wl,-rpath,{made}", "-lpthread", "-o", str(tmp_path / "launches")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    ran = subprocess.run([str(tmp_path / "launches")], capture_output=True, text=True)
    assert ran.stdout.split() == ["2000", "5250", "1000", "1", "31", "0"], ran.stderr
