"""What a conversion is asked to do, and what of that decides the bytes it writes.

Checked against: python-and-data sections 5.1 (256 pixels, quality 85, 1024 images) and 5.2.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_archive.batches.samples import DEFAULT_MAX_PIXELS, WHITE, Rules
from alexnet_archive.errors import UserInputError

FITS = ("crop", "letterbox")
FORMAT = 2
"""Raised whenever the same options would give other bytes; part of the journal."""


@dataclass(frozen=True)
class ConvertOptions:
    """`size` in pixels, None: 256, or that of a source of arrays; `batch_size` None: 1024, 10000 for pictures of CIFAR.

    `fit` crop (shorter side to `size`, centre square) or letterbox (longer side, provider pads). `limit` is the most
    pictures of each role, `val_fraction` the share of each class held out when a source has no validation pictures of its
    own. `background`, `sample_range` and `icc_to_srgb` are `samples.Rules`. Links are followed only with `follow_links`.
    `split` is a table of paths, labels and roles. All of these decide bytes, `split` by what stands in it; `workers` does not.
    """

    size: int | None = None
    quality: int = 85
    batch_size: int | None = None
    seed: int = 0
    fit: str = "crop"
    limit: int | None = None
    val_fraction: float = 0.0
    max_pixels: int = DEFAULT_MAX_PIXELS
    background: tuple[int, int, int] = WHITE
    sample_range: tuple[float, float] | None = None
    icc_to_srgb: bool = False
    follow_links: bool = False
    split: Path | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        rules = {
            "size": (self.size is None or 8 <= self.size <= 4096, "8 to 4096"),
            "quality": (1 <= self.quality <= 100, "1 to 100"),
            "batch_size": (self.batch_size is None or 1 <= self.batch_size <= 65536, "1 to 65536"),
            "seed": (0 <= self.seed < 2**64, "0 to 2^64 - 1"),
            "fit": (self.fit in FITS, " or ".join(FITS)),
            "limit": (self.limit is None or self.limit >= 1, "1 or more"),
            "val_fraction": (0 <= self.val_fraction < 1, "0 up to, not including, 1"),
            "max_pixels": (self.max_pixels >= 1, "1 or more"),
            "background": (len(self.background) == 3 and all(0 <= v <= 255 for v in self.background), "three of 0 to 255"),
            "sample_range": (_rises(self.sample_range), "two finite numbers, the lower one first"),
            "workers": (self.workers is None or self.workers >= 1, "1 or more"),
        }
        for name, (ok, allowed) in rules.items():
            if not ok:
                option = "--" + name.replace("_", "-")
                raise UserInputError(
                    f"{option} cannot be {getattr(self, name)}",
                    expected=allowed,
                    found=getattr(self, name),
                    remedy=f"give {option} a value of {allowed}",
                )

    @property
    def side(self) -> int:
        """Pixels of a side, where nothing says otherwise those of 2012."""
        return self.size or 256

    @property
    def per_file(self) -> int:
        """Pictures of a batch file, where nothing says otherwise those of 2012."""
        return self.batch_size or 1024

    def resolved(self, side: int | None, per_file: int | None) -> ConvertOptions:
        """With the pictures' own side and the batches' own length where none is given."""
        side = None if side is None else min(max(side, 8), 4096)
        return replace(self, size=self.size or side or self.side, batch_size=self.batch_size or per_file or self.per_file)

    def rules(self) -> Rules:
        return Rules(self.background, self.sample_range, self.icc_to_srgb, self.max_pixels)

    def recipe(self) -> dict[str, Any]:
        """Every option that decides what is written."""
        given = {**asdict(self), "size": self.side, "batch_size": self.per_file}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items() if name not in ("workers", "split")}
        return plain if self.follow_links else {name: value for name, value in plain.items() if name != "follow_links"}


def _rises(ends: tuple[float, float] | None) -> bool:
    return ends is None or (all(map(math.isfinite, ends)) and ends[0] < ends[1])
