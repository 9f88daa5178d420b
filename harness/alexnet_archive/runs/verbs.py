"""What can be done with a network, on whichever engine the request names, behind one interface.

Each verb takes a `Request`, tells what happens through one callback, and returns a result. Nothing is printed here.
Raises what opening a run raises: LayerFileError, BatchFileError, CheckpointError, UserInputError, MissingOriginalError;
natively also BuildError without a build and NativeEngineError with the release's last words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from alexnet_archive.engines.base import Array
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import require_writable
from alexnet_archive.runs.classes import with_own_classes
from alexnet_archive.runs.events import Report, Stop, ignore, never
from alexnet_archive.runs.request import EngineChoice, Request
from alexnet_archive.runs.results import GradientsChecked, TestResult, Trained
from alexnet_archive.runs.sources import with_data


class Verbs(Protocol):
    """What each engine's module offers."""

    def train(self, request: Request, report: Report, stop: Stop) -> Trained: ...

    def test(
        self, request: Request, report: Report, views: int | None = None, out: Path | None = None
    ) -> TestResult: ...

    def batch_probabilities(self, request: Request, views: int) -> tuple[Array, Array, list[str]]: ...

    def features(self, request: Request, layers: Sequence[str], report: Report) -> dict[str, Array]: ...

    def check_gradients(self, request: Request, report: Report) -> GradientsChecked: ...


def verbs_of(engine: EngineChoice) -> Verbs:
    """The module that carries out the verbs; only the chosen one is imported."""
    if engine.native:
        from alexnet_archive.runs import native

        return cast(Verbs, native)
    from alexnet_archive.runs import reference

    return cast(Verbs, reference)


def train(request: Request, report: Report = ignore, stop: Stop = never) -> Trained:
    """Train to the last epoch, or until `stop` answers True, which is asked after every minibatch (natively every batch).

    Without a data folder one is looked for, and at last the built-in photographs are taken (`sources.with_data`).
    Raises NonFiniteError when a cost becomes NaN or infinite, WriteError when a checkpoint cannot be kept.
    """
    if request.replay:
        from alexnet_archive.runs.replaying import with_definition

        request = with_definition(request)
    return verbs_of(request.engine).train(_ready(request, report), report, stop)


def test(
    request: Request, report: Report = ignore, views: int | None = None, out: Path | None = None
) -> TestResult:
    """Costs and errors of `request.resume` over its test range, on one view or all the provider has (None: as it says).

    The reference engine also tests a net that has not been trained. `out` is a file that keeps the probabilities of every
    picture (`batches.open_predictions` reads it). Raises WriteError before the test where it cannot be written.
    """
    if out is not None:
        require_writable(out)
    if request.engine.native:
        _needs_checkpoint(request)
    return verbs_of(request.engine).test(_ready(request, report), report, views, out)


def features(request: Request, layers: Sequence[str], report: Report = ignore) -> dict[str, Array]:
    """Activations (cases, outputs), float32, of the named layers over the test range of `request.resume`.

    Raises EngineError for a layer that is not there.
    """
    _needs_checkpoint(request)
    return verbs_of(request.engine).features(request, layers, report)


def check_gradients(request: Request, report: Report = ignore) -> GradientsChecked:
    """The release's own gradient check on the first minibatch (engine-semantics section 6.4)."""
    return verbs_of(request.engine).check_gradients(with_own_classes(request, report), report)


def _ready(request: Request, report: Report) -> Request:
    """With data, and with a network that has the classes that were asked for."""
    return with_own_classes(with_data(request, report), report)


def _needs_checkpoint(request: Request) -> None:
    if not request.resume:
        raise UserInputError("no checkpoint was named", remedy="name a checkpoint or a run folder")
