"""Numbers of a source laid into the layers of a target: axes, columns, groups, channels, scales and dropouts.

Checked against PyTorch and onnxruntime in tests/unit/checkpoints/test_importing.py; docs/importing.md has the rules as tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alexnet_archive.checkpoints import seal
from alexnet_archive.checkpoints.importing.columns import Flow, Member, Stage
from alexnet_archive.checkpoints.importing.steps import Array, Source, Weighted
from alexnet_archive.errors import WeightsError

COLOURS = ("rgb", "bgr")


@dataclass(frozen=True)
class PictureInput:
    """How a network's pictures were made: the order of their channels, and pixels (0..255) less a mean, divided by `deviation`.

    The mean itself is the data's in 2012 and does not enter the weights: there it would be wrong where padding begins.
    `deviation` has three values in the order red, green, blue.
    """

    order: str = "rgb"
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Moved:
    """One layer of the source, the layers it went to, and what was done to its numbers beside moving them."""

    source: str
    layers: tuple[str, ...]
    shape: tuple[int, ...]
    done: tuple[str, ...]


def fill(
    source: Source, stages: Sequence[Stage], layers: Mapping[str, dict[str, Any]], pictures: PictureInput,
    order: Sequence[int] | None = None,
) -> list[Moved]:  # fmt: skip
    """Write a source's weights and biases into `layers`, in place; momentum is left as it is.

    `order` says for each class of the target which output of the source it is. Raises WeightsError for connections that the
    other side does not have, with all of them.
    """
    moved, faults = [], []
    last, below = len(stages) - 1, 3
    for depth, (step, stage) in enumerate(zip(source.weighted(), stages)):
        if not step.stated and step.window is not None:
            step = replace(step, groups=max(1, below // step.weights.shape[1]))
        weights, bias, done, below = step.weights, step.bias, [], step.outputs
        if depth == 0:
            weights, words = _from_pixels(weights, step, pictures)
            done += words
        if depth == last and order is not None and list(order) != list(range(step.outputs)):
            weights, bias = weights[list(order)], bias[list(order)]
            done.append("classes in the order of the list")
        if step.groups > 1:
            done.append(f"{step.groups} groups")
        keeps = {flow.keep for member in stage.members for flow in member.inputs}
        done += [f"divided by {keep:g}, which tests multiply with for dropout" for keep in keeps if keep != 1]
        for member in stage.members:
            faults += _fill_member(step, weights, bias, member, layers[member.name])
        moved.append(Moved(step.name, tuple(m.name for m in stage.members), tuple(step.weights.shape), tuple(done)))
    if faults:
        raise WeightsError(
            f"{source.path.name} and the network are connected differently", faults, path=source.path,
            remedy="choose a network with the same columns and groups",
        )  # fmt: skip
    return moved


def _from_pixels(weights: Array, step: Weighted, pictures: PictureInput) -> tuple[Array, list[str]]:
    """The first layer's weights for red, green, blue of 0..255 less a mean."""
    done: list[str] = []
    if weights.shape[1] % 3 or (weights.ndim == 4 and weights.shape[1] * step.groups != 3):
        raise WeightsError(
            f"{step.name} reads no pictures of three colours", expected="3 channels", found=f"weights of shape {weights.shape}"
        )
    if weights.ndim == 2:
        weights = weights.reshape(len(weights), 3, -1)
    if pictures.order == "bgr":
        if step.groups != 1:
            raise WeightsError(f"{step.name} reads blue, green, red in groups", found=f"{step.groups} groups")
        weights, done = weights[:, ::-1], ["blue, green, red turned round"]
    deviation = np.asarray(pictures.deviation, np.float64)
    if (deviation != 1).any():
        scale = deviation.reshape((1, 3) + (1,) * (weights.ndim - 2))
        weights = (weights / scale).astype(np.float32)
        done.append("divided by " + ", ".join(f"{d:g}" for d in deviation))
    return weights.reshape(step.weights.shape), done


def _fill_member(step: Weighted, weights: Array, bias: Array, member: Member, layer: dict[str, Any]) -> list[str]:
    """One target layer; a fault for each group of its filters that reads other maps than the source's."""
    mine = slice(member.first, member.first + member.outputs)
    layer["biases"][...] = bias[mine].reshape(layer["biases"].shape)
    faults = []
    if step.window is None:
        read = np.concatenate([_units(flow, matrix) for flow, matrix in zip(member.inputs, layer["weights"])])
        if not np.array_equal(np.sort(read), np.arange(weights.shape[1])):
            return [f"{member.name} reads {len(read)} inputs, {step.name} {weights.shape[1]}"]
        for flow, matrix in zip(member.inputs, layer["weights"]):
            matrix[...] = weights[mine][:, _units(flow, matrix)].T / np.float32(flow.keep)
        return []
    for i, (first, count) in enumerate(_runs(member, layer)):
        faults += _fill_filters(step, weights, member, layer, slice(first, first + count), i)
    return faults


def _units(flow: Flow, matrix: Array) -> Array:
    """Columns of the source's matrix for the rows of one of ours: each map is a block of as many numbers as it has pixels."""
    pixels = matrix.shape[0] // len(flow.maps)
    return (flow.maps[:, None] * pixels + np.arange(pixels)).reshape(-1)


def _runs(member: Member, layer: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The filters of a convolution in runs that read the same maps: first and count, over all inputs' groups."""
    groups = max(layer["groups"])
    if any(g not in (1, groups) for g in layer["groups"]):
        raise WeightsError(f"{member.name} has inputs in different numbers of groups", found=layer["groups"])
    count = member.outputs // groups
    return [(g * count, count) for g in range(groups)]


def _fill_filters(step: Weighted, weights: Array, member: Member, layer: dict[str, Any], own: slice, run: int) -> list[str]:
    """The filters `own` of a convolution, from every input; they must lie in one group of the source and read all its maps."""
    width, depth = step.outputs // step.groups, weights.shape[1]
    first, last = member.first + own.start, member.first + own.stop - 1
    group = first // width
    theirs = np.arange(group * depth, (group + 1) * depth)
    seen = [_maps(flow, layer, i, run) for i, flow in enumerate(member.inputs)]
    if last // width != group or not np.array_equal(np.sort(np.concatenate(seen)), theirs):
        return [
            f"filters {own.start}-{own.stop - 1} of {member.name} read {_count(seen)}, those of {step.name} {depth} of its "
            f"{depth * step.groups} maps in {step.groups} groups"
        ]
    for i, (flow, maps) in enumerate(zip(member.inputs, seen)):
        block = weights[first : last + 1][:, maps - group * depth]
        layer["weights"][i][:, own] = block.reshape(len(block), -1).T / np.float32(flow.keep)
    return []


def _maps(flow: Flow, layer: Mapping[str, Any], index: int, run: int) -> Array:
    """The maps of the stage below that one run of filters reads of one input."""
    if layer["groups"][index] == 1:
        return flow.maps
    depth = layer["filterChannels"][index]
    return flow.maps[run * depth : (run + 1) * depth]


def _count(seen: Sequence[Array]) -> str:
    return f"{sum(map(len, seen))} maps"


def fill_own(source: Source, layers: Mapping[str, dict[str, Any]]) -> list[Moved]:
    """Write arrays under the names of our own exports into the layers of those names, momentum too where it is there.

    Raises WeightsError with everything that is missing, left over or of another shape.
    """
    assert source.own is not None
    given, faults = dict(source.own), []
    moved = []
    for name, layer in layers.items():
        if "weights" not in layer:
            continue
        for part, matrix in seal.matrices({name: layer}):
            found = given.pop(part, None)
            if found is None:
                momentum = part.removeprefix(f"{name}.").partition(".")[0].endswith("Inc")
                faults += [] if momentum else [f"{part} is not in the file"]
            elif found.shape != matrix.shape or found.dtype.kind != "f" or not np.isfinite(found).all():
                expected = f"finite numbers of shape {matrix.shape}"
                faults.append(f"{part} is {found.dtype} of shape {found.shape}, expected {expected}")
            else:
                matrix[...] = found
        moved.append(Moved(name, (name,), tuple(layer["weights"][0].shape), ()))
    faults += [f"{part} belongs to no layer of the network" for part in given]
    if faults:
        raise WeightsError(
            f"{source.path.name} and the network have other layers", faults, path=source.path,
            remedy="name the network that the file was exported from",
        )  # fmt: skip
    return moved
