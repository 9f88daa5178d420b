"""Pooling (engine-semantics section 2.5): max, maxabs, avg and random choice over clipped windows.

Ties give the whole gradient to every pixel equal to the output. Checked against central differences, a direct loop
(tests/unit/engines/test_geometry.py) and PyTorch (test_torch.py).
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import image
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix
from alexnet_archive.engines.reference.windows import Grid
from alexnet_archive.errors import EngineError

LOWEST = -2e38
"""Maxima start from here, not from minus infinity (section 8)."""


class Pool(Layer):
    types = ("pool",)

    def setup(self) -> None:
        s = self.settings
        self.channels, self.side, self.size = s["channels"], s["imgSize"], s["sizeX"]
        self.start, self.stride, self.across, self.kind = s["start"], s["stride"], s["outputsX"], s["pool"]
        if self.kind not in ("max", "maxabs", "avg", "rand"):
            raise EngineError(f"layer {self.name}: no such pool", expected="max, maxabs, avg, rand", found=self.kind)
        if self.kind == "rand" and s.get("doMax"):
            self.kind = "max"
        self.taps = list(Grid(self.start, self.stride, self.size, self.across, self.side).taps())
        low = self.start + self.stride * np.arange(self.across)
        length = np.minimum(self.side, low + self.size) - np.maximum(0, low)
        self.counts = np.outer(length, length)

    def _chunks(self, cases: int) -> int:
        """Channels per chunk of work."""
        return max(1, (1 << 18) // (self.side * self.side * cases))

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        cases = inputs[0].shape[1]
        x, y = image(inputs[0], self.channels), self.take(cases)
        out = y.reshape(self.channels, self.across, self.across, cases)
        choice = self._choose(out.shape) if self.kind == "rand" else None

        def chunk(a: int, b: int) -> None:
            if choice is None:
                self._combine(x[a:b], out[a:b])
            else:
                self._random(x[a:b], choice[a:b], out[a:b])

        self.context.workers.ranges(chunk, self.channels, self._chunks(cases))
        self.context.pool.give(choice)
        return y

    def _combine(self, x: Matrix, out: Matrix) -> None:
        out[...] = LOWEST if self.kind == "max" else 0
        for seen, pixels in self.taps:
            place, value = out[seen], x[pixels]
            if self.kind == "max":
                np.maximum(place, value, out=place)
            elif self.kind == "avg":
                np.add(place, value, out=place)
            else:  # a later pixel of equal magnitude replaces an earlier one
                np.copyto(place, value, where=~(np.abs(place) > np.abs(value)))
        if self.kind == "avg":
            np.divide(out, self.counts[None, :, :, None].astype(out.dtype), out=out)

    def _choose(self, shape: tuple[int, ...]) -> Matrix:
        """One position per output, uniform over its clipped window: ours, the release's kernel is unpublished."""
        choice = self.context.pool.take(shape)
        self.context.random.uniform(self.device, choice)
        np.multiply(choice, self.counts[None, :, :, None].astype(choice.dtype), out=choice)
        return np.ceil(choice, out=choice)

    def _random(self, x: Matrix, choice: Matrix, out: Matrix) -> None:
        passed = np.zeros((self.across, self.across, 1), out.dtype)
        for seen, pixels in self.taps:
            passed[seen[1:]] += 1
            np.copyto(out[seen], x[pixels], where=choice[seen] == passed[seen[1:]])

    def backward(self, back: Backward) -> None:
        cases = back.gradient.shape[1]
        x, t = image(back.inputs[0], self.channels), image(back.target, self.channels)
        y, g = (a.reshape(self.channels, self.across, self.across, cases) for a in (back.output, back.gradient))
        share = (1.0 / self.counts)[None, :, :, None].astype(g.dtype)

        def chunk(a: int, b: int) -> None:
            if not back.add:
                t[a:b] = 0
            sent = g[a:b] * share if self.kind == "avg" else g[a:b]
            for seen, pixels in self.taps:
                place, given = t[a:b][pixels], sent[seen]
                if self.kind != "avg":  # times one or zero: NumPy adds under a mask four times slower
                    given = np.multiply(given, x[a:b][pixels] == y[a:b][seen], out=self.context.scratch("sent", given.shape))
                np.add(place, given, out=place)

        self.context.workers.ranges(chunk, self.channels, self._chunks(cases))
