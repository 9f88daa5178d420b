"""Steps about the acquired copy: is it untouched, is it what the record says, and is it untouched still."""

from __future__ import annotations

from collections import Counter
from typing import Any

from alexnet_archive import archive
from alexnet_archive.archive.inventory import Inventory, take
from alexnet_archive.errors import BuildError, FixityError, MissingFileFixityError, UnexpectedFileFixityError
from alexnet_archive.prove.record import Failure
from alexnet_archive.prove.reducing import failures_of
from alexnet_archive.prove.site import Found, Site


def release_facts() -> dict[str, Any]:
    """What was acquired: digests and how sure they are. Raises MissingOriginalError, FixityError."""
    manifest = archive.manifest()
    identity = manifest.identity
    return {
        "status": identity.status, "source_kind": identity.source_kind, "tree": identity.tree, "revision": identity.revision,
        "swhid": identity.swhid_directory, "recorded_revision": archive.load_release().revision, "files": len(manifest.files),
        "bytes": manifest.total_bytes,
    }  # fmt: skip


def verify(site: Site) -> Found:
    """Every byte, every git id; all damage at once."""
    findings = archive.examine(deep=True, ids=True, progress=site.watch)
    kinds = Counter(finding.kind for finding in findings)
    facts = archive.manifest()
    figures = {"files": len(facts.files), "bytes": facts.total_bytes, "findings": dict(kinds)}
    if not findings:
        return Found(figures)
    error = archive.error_for(findings)
    return Found(figures, failures_of(error), error.exit_code)


def inventory(site: Site) -> Found:
    """The files of the record and no other, and a supplier for everything that they want.

    A tree that is not the release of the record (fewer than half of its files are there) is only asked for the suppliers.
    """
    taken = take()
    expected = archive.load_release().expected()
    here = len(expected) - len(taken.files_missing)
    claimed = 2 * here >= len(expected)
    figures = {
        "kinds": {kind.kind: kind.files for kind in taken.kinds}, "files_of_the_record": f"{here} of {len(expected)}",
        "compared_with_the_record": claimed, "wanted": len(taken.needs),
        "wanted_and_standard": sum(need.standard for need in taken.needs),
        "recorded_needs_not_met": [need.name for need in taken.not_wanted] if claimed else [],
    }  # fmt: skip
    failures = [Failure(f"wanted and supplied by nobody: {need.kind}", symbol=need.name) for need in taken.not_recorded]
    files = _files(taken) if claimed else []
    code = _code(taken, bool(files)) if failures or files else 0
    note = "" if claimed else f"not the release of the record, of which {here} files are here: asked for the suppliers alone"
    return Found({**figures, "failures": len(failures) + len(files)}, (*files, *failures), code, note=note)


def _files(taken: Inventory) -> list[Failure]:
    missing = [Failure("a file of the record that is not here", file) for file in taken.files_missing]
    return missing + [Failure("a file that is not in the record", file) for file in taken.files_unexpected]


def _code(taken: Inventory, files: bool) -> int:
    if not files:
        return BuildError.exit_code
    if taken.files_missing and taken.files_unexpected:
        return FixityError.exit_code
    return (MissingFileFixityError if taken.files_missing else UnexpectedFileFixityError).exit_code
