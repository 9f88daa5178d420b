"""Types of the public names, for checkers: `__init__.py` loads them when they are used."""

from alexnet_archive.archive.experiments import Experiment
from alexnet_archive.archive.fixity import Finding
from alexnet_archive.batches import Provider
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.compare import Behaviour
from alexnet_archive.errors import ArchiveError
from alexnet_archive.layerdefs import Network
from alexnet_archive.runs.events import BatchTested, BatchTrained, Finished, Progress, Saved, Started, Stopped, Tested
from alexnet_archive.runs.importing import Imported
from alexnet_archive.runs.interface import (
    check_gradients,
    classify,
    compare_engines,
    convert,
    demo_data,
    export_checkpoint,
    features,
    import_weights,
    load_checkpoint,
    notebook,
    open_data,
    read_definition,
    save_checkpoint,
    shape_table,
    test,
    train,
    verify_original,
)
from alexnet_archive.runs.request import EngineChoice, Request
from alexnet_archive.runs.results import Classified, GradientsChecked, TestResult, Trained

__version__: str

__all__ = [
    "ArchiveError", "BatchTested", "BatchTrained", "Behaviour", "Checkpoint", "Classified", "EngineChoice", "Experiment",
    "Finding", "Finished", "GradientsChecked", "Imported", "Network", "Progress", "Provider", "Request", "Saved", "Started",
    "Stopped", "TestResult", "Tested", "Trained", "check_gradients", "classify", "compare_engines", "convert", "demo_data",
    "export_checkpoint", "features", "import_weights", "load_checkpoint", "notebook", "open_data", "read_definition",
    "save_checkpoint", "shape_table", "test", "train", "verify_original",
]  # fmt: skip
