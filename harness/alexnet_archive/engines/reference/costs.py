"""Cost layers (engine-semantics section 2.18): reported values, and gradients to the prediction.

Values are sums over cases, never multiplied by `coeff`; gradients are. Checked against central differences where the
release's gradient is the derivative, and against its own formula where it is not (O7, O22); ties as in Appendix B.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import image
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix, accumulate
from alexnet_archive.engines.reference.normalisation import window_sum
from alexnet_archive.errors import EngineError


def safe_log(v: Matrix) -> Matrix:
    """ln v, and −50 where v is not positive."""
    return np.where(v > 0, np.log(np.where(v > 0, v, 1)), -50).astype(v.dtype)


def read_labels(labels: Matrix, classes: int, name: str) -> np.ndarray:
    """Labels truncated to integers; out of range is an error here, an out-of-range read in the release (O37)."""
    index = np.trunc(labels[0])
    if not ((index >= 0) & (index < classes)).all():
        raise EngineError(f"layer {name}: a label is out of range", expected=f"0 to {classes - 1}", found=labels.min())
    return index.astype(int)


def top_one(p: Matrix, label: np.ndarray) -> float:
    """Σ credit: 1/m where the label shares the maximum with m units, itself among them."""
    best = p.max(axis=0)
    shared = (p == best).sum(axis=0)
    return float(np.sum((p[label, np.arange(len(label))] == best) / np.maximum(shared, 1)))


def top_k(p: Matrix, label: np.ndarray, k: int) -> float:
    """Σ credit with r = k − (units larger): 0 if r ≤ 0, 1 if all ties fit into r, else r/ties."""
    if k == 1:
        return top_one(p, label)
    own = p[label, np.arange(len(label))]
    left, ties = k - (p > own).sum(axis=0), (p == own).sum(axis=0)
    return float(np.sum(np.where(left <= 0, 0, np.where(ties <= left, 1, left / np.maximum(ties, 1)))))


class Cost(Layer):
    """`values` are the sums reported for the last pass; the coefficient weighs gradients and the checker's total."""

    def setup(self) -> None:
        self.coeff: float = self.settings["coeff"]
        self.producer = self.coeff != 0
        self.values: tuple[float, ...] = ()

    def slope(self, back: Backward) -> Matrix | None:
        """The gradient sent to one input, before it is added up; None sends nothing."""
        raise NotImplementedError

    def backward(self, back: Backward) -> bool:
        slope = self.slope(back)
        if slope is not None:
            accumulate(back.target, slope, back.add)
        return slope is not None

    def ranked(self, p: Matrix) -> Matrix:
        """The rows of p among which errors are counted: not those of unused classes."""
        return p[: self.context.named_classes]


class LogisticRegression(Cost):
    """`cost.logreg`: labels (1, N), probabilities (J, N)."""

    types = ("cost.logreg",)

    def setup(self) -> None:
        super().setup()
        self.labels = np.zeros(0, int)
        self.mean: Matrix | None = None
        self.views = 0

    @property
    def silent(self) -> bool:
        """Whether the softmax below computes the gradient itself."""
        below = self.inputs[1]
        return below.type == "softmax" and below.sole_consumer is self

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        labels, p = inputs
        index = read_labels(labels, len(self.ranked(p)), self.name)
        self.labels = index
        y = self.take(p.shape[1], 1)
        if pass_type.has(Pass.MULTIVIEW_TEST):
            started = pass_type.has(Pass.MULTIVIEW_TEST_START)
            self.mean, self.views = (p.copy(), 1) if started or self.mean is None else (self.mean + p, self.views + 1)
            if not pass_type.has(Pass.MULTIVIEW_TEST_END):
                return y
            p = self.mean = self.mean * (1 / self.views)  # the log is of the mean, with the last view's labels (O35)
        np.log(p[index, np.arange(len(index))], out=y[0])  # O23: a probability of 0 costs infinity
        total, topk = len(index), self.settings["topk"]
        ranked = self.ranked(p)
        self.values = (-float(y.sum()), total - top_one(ranked, index), total - top_k(ranked, index, topk))
        return y

    def slope(self, back: Backward) -> Matrix | None:
        if back.index == 0 or self.silent:
            return None
        p = back.inputs[1]
        hit = np.arange(len(p))[:, None] == self.labels
        return (self.coeff * hit).astype(p.dtype) / p


class CrossEntropy(Cost):
    """`cost.crossent`: distributions of labels t and probabilities p, both (J, N); test only over a softmax (O6)."""

    types = ("cost.crossent",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        t, p = inputs
        y = self.take(p.shape[1], 1)
        np.sum(t * safe_log(p), axis=0, out=y[0])
        ranked = self.ranked(p)
        best = ranked == ranked.max(axis=0)
        credit = np.where((best & (t[: len(ranked)] > 0)).any(axis=0), 1 / np.maximum(best.sum(axis=0), 1), 0)
        self.values = (-float(y.sum()), t.shape[1] - float(credit.sum()))
        return y

    def slope(self, back: Backward) -> Matrix | None:
        if back.index == 0:
            return None
        if self.inputs[1].type == "softmax" and len(self.inputs[1].consumers) == 1:
            raise EngineError(
                f"layer {self.name}: cost.crossent over a softmax cannot be trained (oddity O6)",
                remedy="use cost.logreg, or set coeff to 0",
            )
        t, p = back.inputs
        return self.coeff * t / p


class Elementwise(Cost):
    """Costs that are the sum of their own activations, up to a sign."""

    sign = 1.0

    def terms(self, inputs: list[Matrix]) -> Matrix:
        raise NotImplementedError

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[-1].shape)
        np.copyto(y, self.terms(inputs))
        self.values = (self.sign * float(y.sum()),)
        return y


class CrossEntropyTwo(Elementwise):
    """`cost.crossent2`: elementwise targets t and predictions y; unfused, the second term has the wrong sign (O7)."""

    types = ("cost.crossent2",)
    sign = -1.0

    @property
    def silent(self) -> bool:
        return getattr(self.inputs[1], "fused_cost", None) is self

    def terms(self, inputs: list[Matrix]) -> Matrix:
        t, p = inputs
        if self.silent:
            np.copyto(self.hold("truth", t), t)
        return t * safe_log(p) + (1 - t) * safe_log(1 - p)

    def slope(self, back: Backward) -> Matrix | None:
        if back.index == 0 or self.silent:
            return None
        self.context.warn(f"layer {self.name}: without a lone logistic neuron below, the gradient has a wrong sign (O7)")
        t, p = back.inputs
        return self.coeff * (t / p + (1 - t) / (1 - p))


class RobustDifference(Elementwise):
    """`cost.rflickr`: Σ ln(1 + (y − t)²)."""

    types = ("cost.rflickr",)

    def terms(self, inputs: list[Matrix]) -> Matrix:
        return np.log(1 + (inputs[1] - inputs[0]) ** 2)

    def slope(self, back: Backward) -> Matrix | None:
        d = back.inputs[1] - back.inputs[0]
        return -self.coeff * 2 * d / (1 + d * d) if back.index == 1 else None


class SumOfSquares(Elementwise):
    """`cost.sum2`: Σ x²."""

    types = ("cost.sum2",)

    def terms(self, inputs: list[Matrix]) -> Matrix:
        return inputs[0] * inputs[0]

    def slope(self, back: Backward) -> Matrix | None:
        return -2 * self.coeff * back.inputs[0]


class GatedSumOfSquares(Elementwise):
    """`cost.gsum2`: gates (1, N) times Σ x²; both inputs may want a gradient."""

    types = ("cost.gsum2",)

    def terms(self, inputs: list[Matrix]) -> Matrix:
        return inputs[0] * inputs[1] * inputs[1]

    def slope(self, back: Backward) -> Matrix | None:
        gates, x = back.inputs
        if back.index == 0:
            return -self.coeff * (x * x).sum(axis=0, keepdims=True)
        return -2 * self.coeff * gates * x


class TopographicICA(Elementwise):
    """`cost.tica`: Σ 1/(0.001 + √(local sum of squares)), which the release itself calls not the true cost (O22)."""

    types = ("cost.tica",)

    def _sum(self, values: Matrix) -> Matrix:
        images = image(values, self.settings["channels"])
        half, size = self.settings["sizeX"] // 2, self.settings["sizeX"]
        rows, both = np.empty_like(images), np.empty_like(images)
        window_sum(images, half, size - 1 - half, 2, rows)
        window_sum(rows, half, size - 1 - half, 1, both)
        return both.reshape(values.shape)

    def terms(self, inputs: list[Matrix]) -> Matrix:
        return 1 / (0.001 + np.sqrt(self._sum(inputs[0] * inputs[0])))

    def slope(self, back: Backward) -> Matrix | None:
        total = self._sum(back.output)
        # the library's slip when adding (O22)
        return -self.coeff * back.inputs[0] * (np.sqrt(total) if back.add else total)
