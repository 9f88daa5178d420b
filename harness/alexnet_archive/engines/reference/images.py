"""Image layers: blur, resize, random rescale, colour conversions (engine-semantics sections 2.10 to 2.12).

All but `blur` have no backward pass. Checked against direct loops in tests/unit/engines/test_images.py.
"""

from __future__ import annotations

import numpy as np

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference.convolution import image
from alexnet_archive.engines.reference.layer import Backward, Layer, Matrix
from alexnet_archive.engines.reference.update import single

BAND = 32
"""Outputs per product of a blur: wide enough for the matrix product, narrow enough to skip most zeros."""


class Blur(Layer):
    """`blur`: a separable Gaussian, across then down; beyond the image lies zero and nothing is renormalised."""

    types = ("blur",)

    def setup(self) -> None:
        side: int = self.settings["imgSize"]
        self.side, self.band = side, np.zeros((side, side), self.context.dtype)
        taps = np.asarray(self.settings["filter"]).reshape(-1)
        reach = len(taps) // 2
        for r in range(-min(reach, side - 1), min(reach, side - 1) + 1):
            # y_j = Σ_r x_{j+r}·w_{R−r}; O18 (the library's undersized array) is mended.
            self.band += np.diag(np.full(side - abs(r), taps[reach - r], self.context.dtype), r)
        self.reach = reach

    def _along(self, source: Matrix, target: Matrix, add: bool) -> None:
        """Blur (A, I, B) along its middle axis, by products with bands of the filter matrix."""
        starts = range(0, self.side, BAND)
        many = max(1, (1 << 16) // source.shape[2])
        jobs = [(a, k) for a in range(0, len(source), many) for k in starts]

        def chunk(job: int) -> None:
            a, k = jobs[job]
            seen = slice(max(0, k - self.reach), k + BAND + self.reach)
            place = target[a : a + many, k : k + BAND]
            out = self.context.scratch("blurred", place.shape) if add else place
            np.matmul(self.band[k : k + BAND, seen], source[a : a + many, seen], out=out)
            if add:
                np.add(place, out, out=place)

        self.context.workers.each(chunk, len(jobs))

    def _both(self, source: Matrix, target: Matrix, add: bool) -> None:
        """Across into a buffer, then down; only the second pass may add (section 2.10)."""
        cases = source.shape[1]
        across = self.context.pool.take(source.shape)
        rows, columns = (-1, self.side, cases), (-1, self.side, self.side * cases)
        self._along(source.reshape(rows), across.reshape(rows), False)
        self._along(across.reshape(columns), target.reshape(columns), add)
        self.context.pool.give(across)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.context.pool.take(inputs[0].shape)
        self._both(inputs[0], y, False)
        return y

    def backward(self, back: Backward) -> None:
        self._both(back.gradient, back.target, back.add)


def bilinear(images: Matrix, side: int, scale: float) -> Matrix:
    """(C, I, I, N) resampled to (C, side, side, N), one pixel every `scale` (section 2.11); scale in single."""
    full, scale = images.shape[1], single(scale)
    where = np.clip(np.arange(side) * scale + single(full / 2 - (side / 2) * scale), 0, full - 1.01)
    low = where.astype(int)
    high = np.minimum(low + 1, full - 1)
    left = (np.floor(where + 1) - where).astype(images.dtype)[:, None]
    lower = (where - low).astype(images.dtype)[:, None, None]
    top, bottom = images[:, low], images[:, high]
    top = left * (top[:, :, low] - top[:, :, high]) + top[:, :, high]
    bottom = left * (bottom[:, :, low] - bottom[:, :, high]) + bottom[:, :, high]
    return lower * (bottom - top) + top


class Resize(Layer):
    types = ("resize",)

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        s, y = self.settings, self.take(inputs[0].shape[1])
        image(y, s["channels"])[...] = bilinear(image(inputs[0], s["channels"]), s["tgtSize"], s["scale"])
        return y


class RandomScale(Layer):
    """`rscale`: one random rescale and crop for a whole training minibatch; tests pass the input through (O2)."""

    types = ("rscale",)

    def setup(self) -> None:
        s = self.settings
        self.channels, self.full, self.side, self.most = s["channels"], s["imgSize"], s["tgtSize"], s["maxScale"]
        # O34: the chances come from floor(imgSize/maxScale), whatever tgtSize is.
        n = self.full - int(single(self.full / single(self.most))) + 1
        crops = n * (n + 1) * (2 * n + 1) // 6
        self.chances = [sum((k + 1) ** 2 for k in range(s + 1)) / crops for s in range(n)]

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        if pass_type != Pass.TRAIN:
            if not pass_type & Pass.TEST:
                self.context.warn(f"layer {self.name}: rscale treats this pass as a test (O3)")
            y = self.context.pool.take(inputs[0].shape)
            y[...] = inputs[0]
            return y
        x, y = image(inputs[0], self.channels), self.take(inputs[0].shape[1])
        side, factor = self._draw()
        dy, dx = (self.context.random.host_below(1 + side - self.side) for _ in range(2))
        scaled = x if side == self.full else bilinear(x, side, factor)
        image(y, self.channels)[...] = scaled[:, dy : dy + self.side, dx : dx + self.side]
        return y

    def _draw(self) -> tuple[int, float]:
        """The side of the rescaled image and the factor it is sampled with."""
        random, chance = self.context.random, self.context.random.host_unit()
        found = next((s for s, q in enumerate(self.chances) if chance <= single(q)), None)
        if found is None:
            return self.side, self.most
        side = self.side + found
        last, first = self.full / side, max(1.0, self.full / (1 + side))
        return side, first + random.host_unit() * (last - first)


class Colours(Layer):
    """`rgb2yuv` and `rgb2lab`: three channels in, three out, pixel by pixel."""

    types = ("rgb2yuv", "rgb2lab")
    YUV = ((0.2126, 0.7152, 0.0722), (-0.09991, -0.33609, 0.436), (0.615, -0.55861, -0.05639))
    XYZ = ((0.49, 0.31, 0.2), (0.17697, 0.8124, 0.01063), (0.0, 0.01, 0.99))

    def forward(self, inputs: list[Matrix], pass_type: Pass) -> Matrix:
        y = self.take(inputs[0].shape[1])
        rgb, out = inputs[0].reshape(3, -1, y.shape[1]), y.reshape(3, -1, y.shape[1])
        table = self.YUV if self.type == "rgb2yuv" else self.XYZ
        mixed = [rgb[0] * row[0] + rgb[1] * row[1] + rgb[2] * row[2] for row in table]
        if self.type == "rgb2lab":
            root = [np.where(m > 0.0088564517, np.maximum(m, 0) ** 0.3333, 7.787037 * m + 0.13793103) for m in mixed]
            centre = 50 if self.settings["center"] else 0
            mixed = [116 * root[1] - 16 - centre, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])]
        for row, channel in zip(out, mixed):
            row[...] = channel
        return y
