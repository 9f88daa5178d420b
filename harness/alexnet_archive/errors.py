"""One tree of errors: every failure a user can meet has a type, an exit code and a remedy.

Libraries raise these; only `cli` prints them and exits. Exit codes are distinct per branch (held by a test), 2 is left to
the command-line parser for usage errors and 1 to the unforeseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ArchiveError(Exception):
    """A failure with its facts: what was being looked at, what was expected, what was found, what mends it."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        expected: Any = None,
        found: Any = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else str(path)
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def facts(self) -> dict[str, Any]:
        """The error as plain values for `--json`."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "message": self.message,
            "path": self.path,
            "expected": None if self.expected is None else str(self.expected),
            "found": None if self.found is None else str(self.found),
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        parts = [self.message]
        if self.path is not None and self.path not in self.message:
            parts.append(f"path: {self.path}")
        if self.expected is not None:
            parts.append(f"expected: {self.expected}")
        if self.found is not None:
            parts.append(f"found: {self.found}")
        return "; ".join(parts)


class MissingOriginalError(ArchiveError):
    """The release has not been acquired."""

    exit_code = 10


class AcquireError(ArchiveError):
    """A source of the release could not be fetched, read or accepted."""

    exit_code = 11


class FixityError(ArchiveError):
    """The acquired release is not what its manifest says (several kinds at once); carries every finding as plain values."""

    exit_code = 12

    def __init__(self, message: str, *, findings: Iterable[dict[str, Any]] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.findings = tuple(findings)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "findings": list(self.findings)}


class MissingFileFixityError(FixityError):
    """Files of the acquired release are gone."""

    exit_code = 13


class UnexpectedFileFixityError(FixityError):
    """Files lie in the acquired release that were not acquired."""

    exit_code = 14


class AlteredFileFixityError(FixityError):
    """Files of the acquired release were altered, or touched since a build began."""

    exit_code = 15


class ModeFixityError(FixityError):
    """Files of the acquired release have another mode than recorded, or may be written."""

    exit_code = 16


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a layer file.

    `kind` is the specification's mark (layer-language section 0): E clean, U unclean, X accepted by the release and
    misbehaving later, W warning. `first` marks the one the release itself would have stopped at. `follows` names what this
    one may merely follow from (a misspelt key); `meant` is the key that an unknown one is taken to be.
    """

    kind: str
    file: str
    section: str | None
    key: str | None
    message: str
    found: str | None = None
    allowed: str | None = None
    spec: str | None = None
    first: bool = False
    follows: str | None = None
    meant: str | None = None

    def __str__(self) -> str:
        where = self.file + (f" [{self.section}]" if self.section is not None else "")
        where += f" {self.key}" if self.key else ""
        tail = f" (found {self.found})" if self.found is not None else ""
        tail += f"; allowed: {self.allowed}" if self.allowed else ""
        tail += f" [may follow from {self.follows}]" if self.follows else ""
        return f"{where}: {self.message}{tail}"


class LayerFileError(ArchiveError):
    """A definition or parameter file breaks the layer language; carries every problem found.

    `partial` is what could be read all the same, as plain values for `--json`.
    """

    exit_code = 20

    def __init__(self, message: str, problems: Iterable[Problem] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.problems = tuple(problems)
        self.partial: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        partial = {} if self.partial is None else {"partial": self.partial}
        return {**super().facts(), "problems": [vars(p) for p in self.problems], **partial}

    def __str__(self) -> str:
        """Misspelt keys first: what follows may come from them."""
        shown = sorted(self.problems, key=lambda p: p.meant is None)
        return "\n".join([super().__str__(), *(f"  {'*' if p.first else '-'} {p}" for p in shown)])


class BatchFileError(ArchiveError):
    """A batch file or batches.meta is missing, damaged or inconsistent."""

    exit_code = 30


class ConvertError(ArchiveError):
    """Pictures could not be turned into batch files."""

    exit_code = 31


class UnsafePickleError(ArchiveError):
    """A pickle is damaged, or asks for something outside the allow-list."""

    exit_code = 32


class CheckpointError(ArchiveError):
    """A checkpoint is missing, damaged, or belongs to another network."""

    exit_code = 33


class WriteError(ArchiveError):
    """Something the user keeps could not be written (permission, full disk); nothing half-written is left."""

    exit_code = 34


class ExportError(ArchiveError):
    """A checkpoint cannot be expressed in the format asked for."""

    exit_code = 35


class WeightsError(ArchiveError):
    """Weights trained elsewhere cannot be read, or do not fit a network; carries every fault found."""

    exit_code = 36

    def __init__(self, message: str, faults: Iterable[str] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.faults = tuple(faults)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "faults": list(self.faults)}

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {fault}" for fault in self.faults)])


class EngineError(ArchiveError):
    """An engine was asked for something it cannot compute."""

    exit_code = 40


class NonFiniteError(EngineError):
    """A cost became NaN or infinite; carries where it first appeared."""

    exit_code = 41


class NativeEngineError(EngineError):
    """The built release failed; carries the child's last words."""

    exit_code = 42


class BuildError(ArchiveError):
    """The release and the companion did not compile, link or import; carries what compiler and linker found."""

    exit_code = 50

    def __init__(self, message: str, diagnostics: Iterable[dict[str, Any]] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.diagnostics = tuple(diagnostics)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "diagnostics": list(self.diagnostics)}


class ToolchainError(ArchiveError):
    """A toolchain, its locks or its container image is unusable."""

    exit_code = 51


class ContainerError(ToolchainError):
    """The container engine is absent, unreachable or failed."""

    exit_code = 52


class MissingToolError(ArchiveError):
    """A program this command needs is not on this machine."""

    exit_code = 53


class BehaviourDifference(ArchiveError):
    """Two engines or builds part ways beyond a stated tolerance."""

    exit_code = 60


class UserInputError(ArchiveError):
    """The arguments cannot be combined or make no sense together."""

    exit_code = 3


class Interrupted(ArchiveError):
    """Stopped on request; what was finished is kept, and the message says how to go on."""

    exit_code = 130


def chain(error: BaseException) -> list[BaseException]:
    """An error and, behind it, each that it came out of."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
