"""What a conversion is asked to do, and what of that decides the bytes it writes.

Checked against: python-and-data sections 5.1 (256 pixels, quality 85, 1024 images) and 5.2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from alexnet_archive.batches.codec import DEFAULT_MAX_PIXELS
from alexnet_archive.errors import UserInputError

FITS = ("crop", "letterbox")
FORMAT = 1
"""Raised whenever the same options would give other bytes; part of the journal."""


@dataclass(frozen=True)
class ConvertOptions:
    """`size` in pixels; `fit` crop (shorter side to `size`, centre square) or letterbox (longer side, provider pads).

    `limit` is the most pictures of each role, `val_fraction` the share of each class held out when a source of class
    folders has no validation folder of its own. Links are followed only with `follow_links`. All of these decide bytes;
    `workers` does not.
    """

    size: int = 256
    quality: int = 85
    batch_size: int = 1024
    seed: int = 0
    fit: str = "crop"
    limit: int | None = None
    val_fraction: float = 0.0
    max_pixels: int = DEFAULT_MAX_PIXELS
    follow_links: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        rules = {
            "size": (8 <= self.size <= 4096, "8 to 4096"),
            "quality": (1 <= self.quality <= 100, "1 to 100"),
            "batch_size": (1 <= self.batch_size <= 65536, "1 to 65536"),
            "seed": (0 <= self.seed < 2**64, "0 to 2^64 - 1"),
            "fit": (self.fit in FITS, " or ".join(FITS)),
            "limit": (self.limit is None or self.limit >= 1, "1 or more"),
            "val_fraction": (0 <= self.val_fraction < 1, "0 up to, not including, 1"),
            "max_pixels": (self.max_pixels >= 1, "1 or more"),
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

    def recipe(self) -> dict[str, Any]:
        """Every option that decides what is written."""
        plain = {name: value for name, value in asdict(self).items() if name != "workers"}
        return plain if self.follow_links else {name: value for name, value in plain.items() if name != "follow_links"}
