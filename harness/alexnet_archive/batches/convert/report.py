"""What a conversion did: `convert-report.json` in the output folder, the same bytes however the work was spread.

Checked against: tests/unit/batches/test_convert.py (every picture of a source is either in a batch or named here).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_archive import files
from alexnet_archive.batches.convert.inventory import Finding
from alexnet_archive.errors import ConvertError

REPORT_NAME = "convert-report.json"


@dataclass(frozen=True)
class ConvertReport:
    """`batches`: number -> role, images, file size and digests. `findings`: not used; `oddities`: used, though odd.

    `images` counts pictures per role, `unlabelled` those of them that have no label. `seconds`,
    `converted` and `bytes_read` speak of this run alone and are not written.
    """

    kind: str
    classes: int
    listing_sha256: str
    options: Mapping[str, Any]
    images: Mapping[str, int]
    batches: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...]
    oddities: tuple[Finding, ...]
    color_deviations: tuple[float, ...]
    notes: tuple[str, ...] = ()
    unlabelled: Mapping[str, int] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)
    converted: int = field(default=0, compare=False)
    bytes_read: int = field(default=0, compare=False)

    def counts(self) -> dict[str, int]:
        """Findings by kind."""
        return dict(sorted(Counter(finding.kind for finding in self.findings).items()))

    def as_dict(self) -> dict[str, Any]:
        """What is written: nothing that differs from run to run."""
        return {
            "kind": self.kind,
            "classes": self.classes,
            "listing_sha256": self.listing_sha256,
            "options": dict(self.options),
            "notes": list(self.notes),
            "images": dict(self.images),
            "unlabelled": dict(self.unlabelled),
            "not_used": self.counts(),
            "batches": {number: dict(batch) for number, batch in self.batches.items()},
            "findings": [finding._asdict() for finding in self.findings],
            "oddities": [finding._asdict() for finding in self.oddities],
            "color_deviations": list(self.color_deviations),
        }

    def write(self, out: Path) -> None:
        files.write_text(out / REPORT_NAME, json.dumps(self.as_dict(), indent=1) + "\n")


def read_report(out: Path) -> ConvertReport | None:
    """The report of a finished conversion, or None. Raises ConvertError for one that is no report."""
    path = out / REPORT_NAME
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        del value["not_used"]
        findings, oddities = (tuple(Finding(**f) for f in value.pop(name)) for name in ("findings", "oddities"))
        value["notes"], value["color_deviations"] = tuple(value["notes"]), tuple(value["color_deviations"])
        return ConvertReport(**value, findings=findings, oddities=oddities)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConvertError(
            f"{path} is no report of a conversion", path=path, found=error, remedy="remove it and convert again"
        ) from error
