"""The part common to layers with weights: reading parameters, sharing, bias gradients, the update of one layer.

Checked by tests/unit/engines/test_update.py (sharing, update frequency, constraints).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.layer import Context, Layer, Matrix, Settings
from alexnet_archive.engines.reference.update import Constraint, Parameter, Schedule
from alexnet_archive.errors import EngineError

CONSTANT = {"type": "default", "params": {}}


class WeightLayer(Layer):
    """Weights, one matrix per input, and biases; `direct` layers write gradients straight into momentum (2.2, 2.4)."""

    direct = False

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        s, self.touched = settings, False
        shared = {"averaging": s.get("superEps", 0.0)}
        rates = [Schedule(rate, s.get("schedW", CONSTANT), context) for rate in s["epsW"]]
        self.weights = [
            Parameter(w, v, rate, context, momentum=m, decay=wc, direct=self.direct, constraint=self.constraint(i), **shared)
            for i, (w, v, rate, m, wc) in enumerate(zip(s["weights"], s["weightsInc"], rates, s["momW"], s["wc"]))
        ]
        rate = Schedule(s["epsB"], s.get("schedB", CONSTANT), context)
        self.biases = Parameter(s["biases"], s["biasesInc"], rate, context, momentum=s["momB"], **shared)

    def constraint(self, index: int) -> Constraint | None:
        return None

    def share(self, layers: Mapping[str, Layer]) -> None:
        """Point references at their owners, in whatever order layers were built (section 4.5; O14 mended)."""
        for i, name in enumerate(self.settings.get("weightSourceLayers", [])):
            if not name:
                continue
            source, index = layers.get(name), self.settings["weightSourceMatrixIndices"][i]
            theirs = source.weights[index : index + 1] if isinstance(source, WeightLayer) else []
            shape = self.weights[i].value.shape
            if not theirs or theirs[0].value.shape != shape or layers[name].device != self.device:
                message = f"layer {self.name}: weights[{i}] cannot share {name}[{index}]"
                raise EngineError(message, expected=f"a matrix of shape {shape} on the same gpu")
            self.weights[i].owner = theirs[0]

    def matrix(self, index: int) -> Matrix:
        """The values in use for input `index`, those of the owner when shared."""
        return self.weights[index].owner.value

    def weight_gradients(self, inputs: list[Matrix], gradient: Matrix, pass_type: Pass) -> None:
        """Bias first, then weights in input order, each only where its own base rate is above 0 (section 2.1)."""
        scale, checking = self.context.gradient_scale(gradient.shape[1], pass_type), pass_type == Pass.GC
        self.touched = True
        if self.biases.trains:
            total = self.bias_gradient(gradient).reshape(self.biases.value.shape)
            self.biases.contribute(total, scale, checking)
        for i, parameter in enumerate(self.weights):
            if parameter.trains:
                self.weight_gradient(i, inputs[i], gradient, scale, checking)

    def bias_gradient(self, gradient: Matrix) -> Matrix:
        """Sum over cases, one number per row of the gradient."""
        sums = np.empty(gradient.shape[0], gradient.dtype)
        rows = max(1, (1 << 16) // gradient.shape[1])

        def chunk(a: int, b: int) -> None:
            np.sum(gradient[a:b], axis=1, out=sums[a:b])

        self.context.workers.ranges(chunk, len(sums), rows)
        return sums

    def weight_gradient(self, index: int, x: Matrix, gradient: Matrix, scale: float, checking: bool) -> None:
        raise NotImplementedError

    def update(self) -> None:
        """One update in the order of section 4.1: weights, biases, constraints."""
        if not self.touched:
            return
        for parameter in (*self.weights, self.biases):
            parameter.update()
        for parameter in self.weights:
            parameter.constrain()
        self.touched = False
