"""alexnet-archive: keeps the published 2012 AlexNet source alive.

    import alexnet_archive as aa

gives the names below, for notebooks and programs; they are loaded when they are used. The rooms behind them and who may use
whom are in the map of docs/inside.md; the rule is enforced by import-linter. `__init__.pyi` has their types.
"""

from __future__ import annotations

from alexnet_archive.lazy import getter

__version__ = "0.1.0"

_PLACES = {
    "runs.interface": (
        "check_gradients", "classify", "compare_engines", "convert", "demo_data", "export_checkpoint", "features",
        "import_weights", "load_checkpoint", "notebook", "open_data", "read_definition", "save_checkpoint", "shape_table",
        "test", "train", "verify_original",
    ),
    "archive.experiments": ("Experiment",),
    "archive.fixity": ("Finding",),
    "batches": ("Provider",),
    "checkpoints": ("Checkpoint",),
    "compare": ("Behaviour",),
    "errors": ("ArchiveError",),
    "layerdefs": ("Network",),
    "runs.events": ("BatchTested", "BatchTrained", "Finished", "Progress", "Saved", "Started", "Stopped", "Tested"),
    "runs.importing": ("Imported",),
    "runs.request": ("EngineChoice", "Request"),
    "runs.results": ("Classified", "GradientsChecked", "TestResult", "Trained"),
}  # fmt: skip
__getattr__ = getter(__name__, _PLACES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "ArchiveError", "BatchTested", "BatchTrained", "Behaviour", "Checkpoint", "Classified", "EngineChoice", "Experiment",
    "Finding", "Finished", "GradientsChecked", "Imported", "Network", "Progress", "Provider", "Request", "Saved", "Started",
    "Stopped", "TestResult", "Tested", "Trained", "check_gradients", "classify", "compare_engines", "convert", "demo_data",
    "export_checkpoint", "features", "import_weights", "load_checkpoint", "notebook", "open_data", "read_definition",
    "save_checkpoint", "shape_table", "test", "train", "verify_original",
]  # fmt: skip
