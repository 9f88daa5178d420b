"""PyTorch beside the companion in the GPU benchmark: its settings, its clock, its whole training step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bench.torch_net import TorchNet
from tests.bench.work import Layers, Place, features
from tests.calls import error
from tests.companion import Array

FILLER = 1 << 30
"""Bytes written before each timed call, as conv_call does: more than any GPU's cache, and enough to do for the device while
Python queues the call."""
LAYOUTS = (False, True)
"""Images contiguous or channels last; the better one counts."""


def set_math(math: str) -> None:
    """float32 throughout for `strict`, the tensor cores' shorter format for `tf32`; cuDNN tries its algorithms."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = math == "tf32"
    torch.backends.cudnn.allow_tf32 = math == "tf32"
    torch.backends.cudnn.benchmark = True


def best_seconds(function: Callable[[], Any], device: str, repeat: int) -> float:
    """Best of `repeat` calls after two to warm up: on a GPU between events, behind a write that empties its cache and gives
    the host time to queue the call; on a CPU by the clock."""
    import torch

    function()
    function()
    if device == "cpu":
        times = []
        for _ in range(repeat):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
        return min(times)
    filler = torch.empty(FILLER, dtype=torch.uint8, device=device)
    pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeat)]
    torch.cuda.synchronize()
    for first, last in pairs:
        filler.zero_()
        first.record()
        function()
        last.record()
    torch.cuda.synchronize()
    return 1e-3 * min(first.elapsed_time(last) for first, last in pairs)


@dataclass(frozen=True)
class WholeStep:
    """Seconds of a training step with its minibatch on the device, and of one whose minibatch comes from the host."""

    seconds: float
    from_host: float
    layout: str


def step_seconds(net: TorchNet, pictures: Array, labels: Array, repeat: int) -> tuple[float, float]:
    """Best of `repeat` steps, each waited for: (minibatch on the device, minibatch in the host's ordinary memory)."""
    import torch

    target = torch.from_numpy(labels.reshape(-1).astype(np.int64)).to(net.place.device)
    there = net.load(pictures)
    host = there.cpu()

    def waited(x: Callable[[], Any]) -> float:
        times = []
        for _ in range(repeat + 2):
            began = time.perf_counter()
            net.step(x(), target)
            if net.place.device != "cpu":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        return min(times[2:])

    return waited(lambda: there), waited(lambda: net.place.formed(host.to(net.place.device)))


def whole_step(layers: Layers, pictures: Array, labels: Array, device: str, repeat: int) -> WholeStep:
    """The better of both layouts."""
    found = []
    for last in LAYOUTS:
        net = TorchNet(layers, Place(last, device), dropout=True)
        there, from_host = step_seconds(net, pictures, labels, repeat)
        found.append(WholeStep(there, from_host, "channels last" if last else "contiguous"))
    return min(found, key=lambda step: step.seconds)


def activities(layers: Layers, pictures: Array, device: str, name: str) -> Array:
    """(outputs, cases) of a layer, units scaled instead of dropped."""
    import torch

    net = TorchNet(layers, Place(False, device), dropout=False)
    with torch.no_grad():
        return features(net.activities(net.load(pictures))[name])


def disagreement(layers: Layers, pictures: Array, device: str, name: str) -> float:
    """How far PyTorch's whole net is from the reference engine's at a layer."""
    from alexnet_archive.engines.reference import ReferenceEngine

    engine = ReferenceEngine(layers, num_gpus=2, minibatch=pictures.shape[1])
    try:
        ours = engine.features([pictures, np.zeros((1, pictures.shape[1]), np.float32)], [name])[0][name]
    finally:
        engine.close()
    return error(activities(layers, pictures, device, name), np.ascontiguousarray(ours.T))
