"""The application: network, data, engine and checkpoint put together, and what can be done with them, on either engine.

A `Request` says what to run; the verbs train, test, features, check_gradients, classify and compare_engines carry it out, tell
what happens through one callback and return results. Nothing is printed here. Names are imported when they are used, so
that the command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexnet_archive.lazy import getter

if TYPE_CHECKING:
    from alexnet_archive.runs.averaging import ensemble
    from alexnet_archive.runs.classes import class_remedy
    from alexnet_archive.runs.comparison import SIDES, CaseRequest, compare_engines
    from alexnet_archive.runs.data import data_shape, open_data
    from alexnet_archive.runs.demo import Shown, claim, demonstrate, photographs
    from alexnet_archive.runs.estimating import estimate
    from alexnet_archive.runs.events import (
        RECORDED,
        BatchTested,
        BatchTrained,
        Changed,
        Estimated,
        Event,
        Finished,
        Initialised,
        Notice,
        Progress,
        Report,
        Saved,
        SaveFailed,
        Started,
        Stopped,
        Tested,
    )
    from alexnet_archive.runs.exhibiting import exhibit_network
    from alexnet_archive.runs.fitting import Input, choose_border, input_of
    from alexnet_archive.runs.history import RunComparison, RunSummary, compare_runs, list_runs
    from alexnet_archive.runs.locate import locate_definition, locate_parameters
    from alexnet_archive.runs.opened import OpenedRun, open_run, run_folder
    from alexnet_archive.runs.pages import exhibit_run
    from alexnet_archive.runs.pictures import classify, predict_test_batch
    from alexnet_archive.runs.places import open_installation, open_runner
    from alexnet_archive.runs.request import EngineChoice, Request
    from alexnet_archive.runs.results import Classified, Ensemble, GradientsChecked, RunEstimate, TestResult, Trained
    from alexnet_archive.runs.verbs import check_gradients, features, test, train

_PLACES = {
    "averaging": ("ensemble",),
    "classes": ("class_remedy",),
    "comparison": ("SIDES", "CaseRequest", "compare_engines"),
    "data": ("data_shape", "open_data"),
    "demo": ("Shown", "claim", "demonstrate", "photographs"),
    "estimating": ("estimate",),
    "events": (
        "RECORDED", "BatchTested", "BatchTrained", "Changed", "Estimated", "Event", "Finished", "Initialised", "Notice",
        "Progress", "Report", "SaveFailed", "Saved", "Started", "Stopped", "Tested",
    ),
    "exhibiting": ("exhibit_network",),
    "fitting": ("Input", "choose_border", "input_of"),
    "history": ("RunComparison", "RunSummary", "compare_runs", "list_runs"),
    "locate": ("locate_definition", "locate_parameters"),
    "opened": ("OpenedRun", "open_run", "run_folder"),
    "pages": ("exhibit_run",),
    "pictures": ("classify", "predict_test_batch"),
    "places": ("open_installation", "open_runner"),
    "request": ("EngineChoice", "Request"),
    "results": ("Classified", "Ensemble", "GradientsChecked", "RunEstimate", "TestResult", "Trained"),
    "verbs": ("check_gradients", "features", "test", "train"),
}  # fmt: skip
__getattr__ = getter(__name__, _PLACES)


__all__ = [
    "RECORDED", "SIDES", "BatchTested", "BatchTrained", "CaseRequest", "Changed", "Classified", "EngineChoice", "Ensemble",
    "Estimated", "Event", "Finished", "GradientsChecked", "Initialised", "Input", "Notice", "OpenedRun", "Progress", "Report",
    "Request", "RunComparison", "RunEstimate", "RunSummary", "SaveFailed", "Saved", "Shown", "Started", "Stopped", "TestResult",
    "Tested", "Trained", "check_gradients", "choose_border", "claim", "class_remedy", "classify", "compare_engines",
    "compare_runs", "data_shape", "demonstrate", "ensemble", "estimate", "exhibit_network", "exhibit_run", "features",
    "input_of", "list_runs", "locate_definition", "locate_parameters", "open_data", "open_installation", "open_run",
    "open_runner",
    "photographs", "predict_test_batch", "run_folder", "test", "train",
]  # fmt: skip
