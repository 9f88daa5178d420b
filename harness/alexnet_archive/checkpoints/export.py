"""A checkpoint for today's frameworks: npz and safetensors hold the arrays, onnx the inference graph.

Array names: `<layer>.weights.<i>`, `<layer>.biases`, and with momentum `<layer>.weightsInc.<i>`, `<layer>.biasesInc`;
shapes and row order as in python-and-data section 3.4.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_archive.checkpoints.seal import require_finite
from alexnet_archive.errors import ExportError
from alexnet_archive.files import atomic_writer

if TYPE_CHECKING:
    from alexnet_archive.checkpoints.store import Checkpoint


def arrays(layers: dict[str, dict[str, Any]], *, momentum: bool = False) -> dict[str, np.ndarray]:
    """Every weight and bias matrix by its dotted name, C-contiguous, with the shapes of section 3.4."""
    found: dict[str, np.ndarray] = {}
    for name, layer in layers.items():
        for key in ("weights", "weightsInc") if momentum else ("weights",):
            for index, matrix in enumerate(layer.get(key, [])):
                found[f"{name}.{key}.{index}"] = np.ascontiguousarray(matrix)
        for key in ("biases", "biasesInc") if momentum else ("biases",):
            if key in layer:
                found[f"{name}.{key}"] = np.ascontiguousarray(layer[key])
    return found


def export(checkpoint: Checkpoint, path: Path, kind: str, *, momentum: bool = False) -> Path:
    """Write `checkpoint` as `npz`, `safetensors` or `onnx`; returns the path.

    Raises CheckpointError for weights that are not finite, ExportError for an unknown kind, a missing optional library, or
    a layer the format cannot express.
    """
    path = Path(path)
    require_finite(checkpoint.layers, checkpoint.path)
    if kind == "npz":
        with atomic_writer(path) as stream:
            np.savez(stream, **arrays(checkpoint.layers, momentum=momentum))  # type: ignore[arg-type]
    elif kind == "safetensors":
        with atomic_writer(path) as stream:
            stream.write(_safetensors(checkpoint, momentum))
    elif kind == "onnx":
        if momentum:
            raise ExportError("an inference graph has no momentum", remedy="leave out --momentum, or export npz")
        from alexnet_archive.checkpoints.onnx_graph import onnx_bytes

        with atomic_writer(path) as stream:
            stream.write(onnx_bytes(checkpoint.layers))
    else:
        raise ExportError(f"unknown format {kind}", expected="npz, safetensors or onnx", found=kind)
    return path


def _safetensors(checkpoint: Checkpoint, momentum: bool) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise ExportError("safetensors is not installed", remedy="pip install 'alexnet-archive[export]'") from error
    metadata = {"epoch": str(checkpoint.epoch), "batchnum": str(checkpoint.batchnum), "source": "alexnet-archive"}
    data: bytes = save(arrays(checkpoint.layers, momentum=momentum), metadata=metadata)
    return data
