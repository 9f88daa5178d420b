"""Types of the public names, for checkers: `__init__.py` loads them when they are used."""

from alexnet_archive.archive.experiments import Experiment
from alexnet_archive.archive.fixity import Finding
from alexnet_archive.batches import Predictions, Provider
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.compare import Behaviour
from alexnet_archive.errors import ArchiveError
from alexnet_archive.layerdefs import Network
from alexnet_archive.runs.events import (
    BatchTested,
    BatchTrained,
    Finished,
    Progress,
    Saved,
    SaveFailed,
    Started,
    Stopped,
    Tested,
)
from alexnet_archive.runs.importing import Imported
from alexnet_archive.runs.interface import (
    check_gradients,
    classify,
    compare_engines,
    convert,
    demo_data,
    ensemble,
    export_checkpoint,
    features,
    import_weights,
    load_checkpoint,
    notebook,
    open_data,
    read_definition,
    read_predictions,
    save_checkpoint,
    shape_table,
    test,
    train,
    verify_original,
)
from alexnet_archive.runs.request import EngineChoice, Request
from alexnet_archive.runs.results import Classified, Ensemble, GradientsChecked, TestResult, Trained

__version__: str

__all__ = [
    "ArchiveError", "BatchTested", "BatchTrained", "Behaviour", "Checkpoint", "Classified", "EngineChoice", "Ensemble",
    "Experiment", "Finding", "Finished", "GradientsChecked", "Imported", "Network", "Predictions", "Progress", "Provider",
    "Request", "SaveFailed", "Saved", "Started", "Stopped", "TestResult", "Tested", "Trained", "check_gradients", "classify",
    "compare_engines", "convert", "demo_data", "ensemble", "export_checkpoint", "features", "import_weights", "load_checkpoint",
    "notebook", "open_data", "read_definition", "read_predictions", "save_checkpoint", "shape_table", "test", "train",
    "verify_original",
]  # fmt: skip
