"""`proof.json`: what was asked, on which machine, and the finding of every step; written whole after each of them.

Its form is described in docs/formats.md; a change of it raises `SCHEMA`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from alexnet_archive.errors import UserInputError
from alexnet_archive.files import write_text

FORMAT, SCHEMA = "alexnet-archive proof", 1
NAME, PAGE = "proof.json", "proof.html"
PASSED, FAILED, SKIPPED, NOT_TRIED = "passed", "failed", "skipped", "not tried"


@dataclass(frozen=True)
class Failure:
    """One thing wrong, in our words: never a line of the release. `file` is named as in the release, `spec` our section."""

    what: str
    file: str | None = None
    line: int | None = None
    symbol: str | None = None
    expected: str | None = None
    found: str | None = None
    spec: str | None = None


@dataclass(frozen=True)
class Finding:
    """How a step ended. `exit_code` is 0 where it passed, and where it had nothing to do on what was acquired.

    `key` is a digest of everything the finding depends on; `ended` UTC; `seconds` of this step alone.
    """

    step: str
    promise: str
    outcome: str
    reason: str = ""
    exit_code: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0
    ended: str = ""
    key: str = ""

    @property
    def finished(self) -> bool:
        """Whether the step need not be repeated."""
        return self.outcome in (PASSED, FAILED)

    @property
    def well(self) -> bool:
        """Whether it passed, or had nothing to do."""
        return self.outcome == PASSED or (self.outcome == SKIPPED and not self.exit_code)


@dataclass(frozen=True)
class Proof:
    """A proof so far. `steps` names everything that was asked for, in order; `findings` those that have ended."""

    release: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, Any]
    options: Mapping[str, Any]
    steps: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def complete(self) -> bool:
        return tuple(finding.step for finding in self.findings) == self.steps

    @property
    def passed(self) -> bool:
        """Whether all that was asked for was done and is well."""
        return self.complete and all(finding.well for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """That of the first step which did not end well, 0 where all did."""
        return next((finding.exit_code for finding in self.findings if finding.exit_code), 0)

    def content(self) -> dict[str, Any]:
        """What `proof.json` holds."""
        return {
            "format": FORMAT, "schema": SCHEMA, "complete": self.complete, "passed": self.passed, "release": dict(self.release),
            "machine": dict(self.machine), "versions": dict(self.versions), "options": dict(self.options),
            "steps": list(self.steps), "findings": [asdict(finding) for finding in self.findings],
        }  # fmt: skip


def save(folder: Path, proof: Proof) -> None:
    write_text(folder / NAME, json.dumps(proof.content(), indent=1, allow_nan=False) + "\n")


def stored(folder: Path) -> dict[str, Finding]:
    """Step -> finding of an earlier run in this folder. Raises UserInputError for a file that is not of this form."""
    path = folder / NAME
    if not path.exists():
        return {}
    remedy = "name another folder with --out"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = content["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserInputError(f"{path} holds no proof of ours", path=path, remedy=remedy) from error
    if not known or content.get("schema") != SCHEMA:
        raise UserInputError(
            f"{path} has another form", path=path, expected=f"{FORMAT}, schema {SCHEMA}", found=content.get("schema"),
            remedy=remedy,
        )  # fmt: skip
    try:
        return {row["step"]: _finding(row) for row in content["findings"]}
    except (KeyError, TypeError) as error:
        raise UserInputError(f"{path} is damaged: {error!r}", path=path, remedy=remedy) from error


def _finding(row: Mapping[str, Any]) -> Finding:
    names = {one.name for one in fields(Finding)}
    failures = tuple(Failure(**failure) for failure in row["failures"])
    return Finding(**{**{name: row[name] for name in names}, "failures": failures})
