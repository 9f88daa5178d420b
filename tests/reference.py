"""The reference engine as a peer: what it makes of a pile of pictures, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.engines.reference import ReferenceEngine


def activities(
    layers: Mapping[str, Mapping[str, Any]], centred: NDArray[Any], names: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Layer -> (cases, features) for pictures (cases, 3, side, side) without their mean; labels are all 0."""
    count = len(centred)
    engine = ReferenceEngine(layers, num_gpus=2, minibatch=count, workers=1)  # type: ignore[arg-type]
    try:
        data = np.asfortranarray(centred.astype(np.float32).reshape(count, -1).T)
        found, _ = engine.features([data, np.zeros((1, count), np.float32)], list(names))
        return {name: np.asarray(values) for name, values in found.items()}
    finally:
        engine.close()
