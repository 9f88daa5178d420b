"""What is shown of a prediction; knows nothing of how it is drawn, so that it costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """A picture (side, side, 3) in 0..1 with the probabilities of its classes; `truth` is a class index or None."""

    picture: NDArray[Any]
    probabilities: NDArray[np.float32]
    truth: int | None
