"""A proof from its first step to its last: what has been found is kept after each of them, whatever comes then."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_archive.archive.lines import Lines
from alexnet_archive.assembly.record import key_of
from alexnet_archive.errors import ArchiveError, MissingToolError, ToolchainError, UserInputError
from alexnet_archive.exhibit.proof import write_proof_page
from alexnet_archive.files import make_folder, require_writable
from alexnet_archive.prove import record
from alexnet_archive.prove.machine import machine_facts, versions
from alexnet_archive.prove.original import release_facts
from alexnet_archive.prove.record import FAILED, NOT_TRIED, PASSED, SKIPPED, Finding, Proof
from alexnet_archive.prove.reducing import MOST, failures_of, without_text
from alexnet_archive.prove.site import Found, Options, Site, Step, Watch, unwatched
from alexnet_archive.prove.steps import plan

FLAVOURS = ("cpu", "cuda")
WORK = ".prove-work"
"""Below the folder of the proof: where each step works, and nothing of anyone else's lies."""
Tell = Callable[[Finding, bool], None]
"""Hears each finding, and whether it was kept from an earlier run."""
Watching = Callable[[str], AbstractContextManager[Watch]]
"""Called with the name of a step that begins, for somebody to look on while it lasts."""


def unwatching(step: str) -> AbstractContextManager[Watch]:
    """Nobody looks on."""
    return nullcontext(unwatched)


def prove(
    options: Options, out: Path, *, again: bool = False, tell: Tell = lambda finding, kept: None,
    watching: Watching = unwatching, steps: Sequence[Step] | None = None,
) -> Proof:  # fmt: skip
    """Try every step, and write `proof.json` and `proof.html` into `out` after each.

    Findings of an earlier run in `out` are kept where release, machine, versions and options of a step are the same, unless
    `again`. Raises UserInputError for flavours that do not exist and for an `out` that holds something else, ToolchainError
    for a toolchain that does not exist, MissingOriginalError, WriteError. A step that goes wrong raises nothing: it is a
    finding.
    """
    _require(options)
    release, machine, own = release_facts(), machine_facts(), versions()
    make_folder(out)
    require_writable(out, folder=True)
    earlier = record.stored(out)
    wanted = tuple(plan(options) if steps is None else steps)
    keys = {step.name: key_of([release["tree"], machine, own, step.name, dict(step.options)]) for step in wanted}
    begun = Proof(release, machine, own, _shown(options), ())
    course = _Course(out, options, begun, {} if again else earlier, keys, Lines.acquired(), watching)
    return course.run(wanted, tell)


def _require(options: Options) -> None:
    """What is asked for exists; whether it works here is for the steps to find."""
    if not options.flavours or set(options.flavours) - set(FLAVOURS):
        raise UserInputError("a flavour is cpu or cuda", expected=", ".join(FLAVOURS), found=", ".join(options.flavours))
    if options.toolchain == "auto" and "cpu" in options.flavours:
        raise UserInputError("--toolchain auto belongs to --flavour cuda", remedy="name a toolchain, or use host")
    if options.toolchain not in ("host", "auto"):
        from alexnet_archive.toolchains import table

        table.load().row(options.toolchain)


def _shown(options: Options) -> dict[str, Any]:
    """The options without anyone's folders."""
    return {**asdict(options), "flavours": list(options.flavours), "python2": bool(options.python2)}


@dataclass
class _Course:
    """One call of `prove`."""

    out: Path
    options: Options
    proof: Proof
    earlier: Mapping[str, Finding]
    keys: Mapping[str, str]
    lines: Lines
    watching: Watching

    def run(self, planned: Sequence[Step], tell: Tell) -> Proof:
        # A quick proof loses no long step that was done before.
        steps = [step for step in planned if not (self.options.quick and step.long and self._known(step) is None)]
        self.proof = replace(self.proof, steps=tuple(step.name for step in steps))
        ended: dict[str, Finding] = {}
        for step in steps:
            known = self._known(step)
            missing = [name for name in step.after if ended[name].outcome != PASSED]
            if missing:
                reason = f"{missing[0]} has not passed"
                finding, known = self._finding(step, NOT_TRIED, reason=reason), None
            else:
                finding = known or self._tried(step)
            ended[step.name] = finding
            self._keep(steps, ended)
            tell(finding, known is not None)
        return self.proof

    def _known(self, step: Step) -> Finding | None:
        found = self.earlier.get(step.name)
        return found if found is not None and not step.always and found.finished and found.key == self.keys[step.name] else None

    def _keep(self, steps: Sequence[Step], ended: Mapping[str, Finding]) -> None:
        """What has ended now, and behind it what an earlier run had found: that is not lost when this one is killed."""
        found = {step.name: ended.get(step.name) or self._known(step) for step in steps}
        self.proof = replace(self.proof, findings=tuple(finding for finding in found.values() if finding is not None))
        record.save(self.out, self.proof)
        write_proof_page(self.out / record.PAGE, self.proof.content())

    def _tried(self, step: Step) -> Finding:
        work = self.out.absolute() / WORK
        shutil.rmtree(work, ignore_errors=True)
        began = time.monotonic()
        try:  # around all of it: Ctrl-C may come between any two lines
            make_folder(work)
            with self.watching(step.name) as watch:
                found = self._outcome(step, Site(self.options, work, watch))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return replace(found, seconds=round(time.monotonic() - began, 2))

    def _outcome(self, step: Step, site: Site) -> Finding:
        try:
            found = step.run(site)
        except (MissingToolError, ToolchainError) as error:  # ContainerError is one
            reason = "; ".join(filter(None, (failures_of(error)[0].what, error.remedy)))
            return self._finding(step, SKIPPED, reason=reason, code=error.exit_code)
        except Exception as error:  # a finding must come out of every step
            code = error.exit_code if isinstance(error, ArchiveError) else ArchiveError.exit_code
            failed = Found({}, failures_of(error), code)
            return self._finding(step, FAILED, failed, reason=_why(failed), code=code)
        if found.skipped:
            return self._finding(step, SKIPPED, reason=found.skipped)
        if found.failures:
            return self._finding(step, FAILED, found, reason=_why(found), code=found.exit_code)
        return self._finding(step, PASSED, found, reason=found.note)

    def _finding(self, step: Step, outcome: str, found: Found | None = None, *, reason: str = "", code: int = 0) -> Finding:
        """The finding, with nothing in it that is a line of the release."""
        found = found or Found()
        failures = tuple(replace(one, **without_text(asdict(one), self.lines)) for one in found.failures[:MOST])
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        # A step that was not tried is not well, but the code is that of what stood in its way.
        return Finding(
            step.name, step.promise, outcome, without_text(reason, self.lines), code, without_text(found.figures, self.lines),
            failures, 0.0, now, self.keys[step.name],
        )  # fmt: skip


def _why(found: Found) -> str:
    """The first failure in one line, and how many there are."""
    first, count = found.failures[0], len(found.failures)
    named = first.symbol or first.file
    more = f", the first of {count}" if count > 1 else ""
    return first.what + (f": {named}" if named else "") + more
