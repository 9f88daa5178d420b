"""What is shown of a prediction; knows nothing of how it is drawn, so that it costs nothing to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive.errors import UserInputError


@dataclass(frozen=True)
class Prediction:
    """A picture (side, side, 3) in 0..1 with the probabilities of its classes; `truth` is a class index or None."""

    picture: NDArray[Any]
    probabilities: NDArray[np.float32]
    truth: int | None


def looking(layers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The convolutions that look at the picture, with filters in colour."""
    convolutions = (layer for layer in layers.values() if layer["type"] == "conv")
    return [one["name"] for one in convolutions if layers[one["inputs"][0]]["type"] == "data" and one["filterChannels"][0] == 3]


def softmax_name(layers: dict[str, dict[str, Any]]) -> str:
    """The layer whose output is the prediction: the input of the first logistic-regression cost."""
    for layer in layers.values():
        if layer["type"] == "cost.logreg":
            return str(layer["inputs"][1])
    raise UserInputError("the network has no cost.logreg layer, so it predicts no classes")
