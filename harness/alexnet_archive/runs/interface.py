"""The public Python interface: what `import alexnet_archive as aa` offers, in plain arguments.

Everything here is also a command; these are thin over the verbs of this room and over the rooms below it. Errors are types of
`alexnet_archive.errors`, each with path, expected, found and remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alexnet_archive import archive, batches, checkpoints, layerdefs
from alexnet_archive.archive import experiments
from alexnet_archive.archive.experiments import Experiment
from alexnet_archive.archive.fixity import Finding
from alexnet_archive.batches import Predictions, Provider
from alexnet_archive.checkpoints import Checkpoint
from alexnet_archive.compare import Behaviour
from alexnet_archive.engines.base import Array
from alexnet_archive.layerdefs import Network
from alexnet_archive.runs import averaging, comparison, importing, verbs
from alexnet_archive.runs import demo as demo_of
from alexnet_archive.runs import pictures as pictures_of
from alexnet_archive.runs.events import Report, Stop, ignore, never
from alexnet_archive.runs.fitting import input_of
from alexnet_archive.runs.importing import Imported, ImportRequest
from alexnet_archive.runs.locate import locate_definition, locate_parameters
from alexnet_archive.runs.request import EngineChoice, Request, as_range
from alexnet_archive.runs.results import Classified, Ensemble, GradientsChecked, TestResult, Trained
from alexnet_archive.runs.sources import SEED


def read_definition(
    layers: str | Path,
    params: str | Path | None = None,
    *,
    image_size: int | None = None,
    classes: int | None = None,
    data: str | Path | None = None,
    crop_border: int | None = None,
    gpus: int | None = None,
    lenient: bool = False,
) -> Network:
    """Read a definition by path or name (a file of the acquired release, or one of our nets) and check it in full.

    The input is that of the `data` folder, else pictures of `image_size` pixels square and `classes` classes, else what
    follows from the definition: 224 pixels or the accepted side nearest to it, and as many classes as it has units for.
    Without `params` the parameter file beside the definition is read, if there is one.
    Raises LayerFileError with every problem, MissingOriginalError for a file of the release when it has not been acquired.
    """
    definition = locate_definition(str(layers))
    parameters = locate_parameters(definition, str(params)) if params else layerdefs.find_parameters(definition)
    folder = None if data is None else Path(data)
    shape = input_of(
        definition, data=folder, image_size=image_size, classes=classes, crop_border=crop_border, lenient=lenient
    ).shape
    return layerdefs.read_network(definition, parameters, shape, num_gpus=gpus, lenient=lenient)


def shape_table(network: Network, minibatch: int = 128) -> list[dict[str, Any]]:
    """A row for each layer, in file order: name, type, gpu (-1: host), inputs, outputs (units a case), image, weight_count,
    bias_count, multiply_adds (a case), bytes (of its output for a minibatch of so many cases).

    `network.summary(minibatch)` has more: totals per GPU, and every copy between GPUs with its bytes.
    """
    rows: list[dict[str, Any]] = network.summary(minibatch)["layers"]
    return rows


def demo_data(out: str | Path, *, seed: int = SEED) -> Path:
    """Make the demo's data in `out`: crops, 64 pixels square, of sixteen photographs bundled with scikit-image (extra `demo`).

    Returns the folder of batch files: training from 1, validation from 2000, test from 3000. Needs no network. Raises
    UserInputError for a folder that holds anything else.
    """
    return demo_of.photographs(out, seed=seed, workers=1)


def convert(
    source: str | Path, out: str | Path, *, size: int | None = None, batch_size: int | None = None,
    val_fraction: float = 0.0, seed: int = 0, workers: int = 1, progress: Callable[[int, int | None, str], None] | None = None,
) -> Path:  # fmt: skip
    """Pictures in class folders, ImageNet or CIFAR as downloaded, or NumPy arrays into batch files of `batch_size` pictures
    `size` pixels square; None: 1024 and 256, for pictures that are numbers their own side (`ConvertOptions`).

    Returns `out`. Killed at any instant, the same call goes on. Pictures are converted by `workers` processes; with more
    than 1, a script must keep its own work under `if __name__ == "__main__":`, since each process reads it.
    Raises ConvertError, UserInputError, WriteError.
    """
    from alexnet_archive.batches.convert import ConvertOptions
    from alexnet_archive.batches.convert import convert as run_conversion

    options = ConvertOptions(size=size, batch_size=batch_size, val_fraction=val_fraction, seed=seed, workers=workers)
    run_conversion(Path(source), Path(out), options, progress=progress or (lambda done, total, text: None))
    return Path(out)


def open_data(
    folder: str | Path, *, numbers: str | int | Sequence[int] | None = None, training: bool = False, crop_border: int = 4,
    seed: int = 0,
) -> Provider:  # fmt: skip
    """Open a folder of batch files: a provider whose `next()` gives batches with matrices (features, cases), float32.

    `numbers` are batch numbers, such as "1-10" (None: all that the folder holds); with `training` pictures are cropped and
    mirrored at random, by `seed`. A picture without a label has NaN for its class. A context manager. Raises BatchFileError
    for a folder that is none, UserInputError.
    """
    folder = Path(folder)
    meta = batches.read_meta(folder)
    options = batches.ProviderOptions(crop_border=crop_border, seed=seed)
    return batches.open_provider(batches.default_provider(meta), folder, as_range(numbers), test=not training, options=options)


def train(
    layers: str | Path | None = None, *, report: Report = ignore, stop: Stop = never, engine: EngineChoice | str = "reference",
    train_range: str | int | Sequence[int] | None = None, test_range: str | int | Sequence[int] | None = None, **options: Any,
) -> Trained:  # fmt: skip
    """Train a net, by path or name, or go on with `resume=RUN`; every field of `Request` is an option.

    The usual ones: data (folder), epochs, minibatch (cases), test_frequency (batches), seed, save (folder), keep
    (checkpoints), params, gpus, init_from (a run whose weights it begins with), pad_classes, classes_from_data. `report`
    gets every event (see `Started` and the events beside it); `stop` is asked before the first minibatch, where yes keeps
    the untrained net as a checkpoint, and after every one. Raises LayerFileError, BatchFileError, UserInputError,
    NonFiniteError, WriteError.
    """
    request = Request(
        layers=layers, train_range=as_range(train_range), test_range=as_range(test_range), engine=_engine(engine), **options
    )
    return verbs.train(request, report, stop)


def test(
    run: str | Path, *, views: int = 1, data: str | Path | None = None, test_range: str | int | Sequence[int] | None = None,
    match_classes: bool = False, out: str | Path | None = None, report: Report = ignore,
    engine: EngineChoice | str = "reference",
) -> TestResult:  # fmt: skip
    """Costs and errors (0 to 1) of a checkpoint or run folder over its test range, on 1 view or the provider's 10.

    The classes of the data must be the checkpoint's; with `match_classes` they may have another order. `out` is a file that
    keeps the probabilities of every picture, for `read_predictions` and `ensemble`. Raises CheckpointError, BatchFileError,
    UserInputError, WriteError.
    """
    request = Request(
        resume=run, data=data, test_range=as_range(test_range), match_classes=match_classes, engine=_engine(engine)
    )
    return verbs.test(request, report, views, None if out is None else Path(out))


def classify(
    run: str | Path, pictures: str | Path | Sequence[str | Path], *, views: int = 1, data: str | Path | None = None,
    match_classes: bool = False, engine: EngineChoice | str = "reference",
) -> Classified:  # fmt: skip
    """Probabilities of the classes of picture files: `.probabilities` (pictures, classes), `.as_rows(top)` for people.

    Its data folder must have the checkpoint's classes, with `match_classes` in any order. Raises CheckpointError without it,
    UserInputError, PictureError.
    """
    files = [pictures] if isinstance(pictures, (str, Path)) else list(pictures)
    return pictures_of.classify(
        Path(run), [Path(file) for file in files], data=data, views=views, match_classes=match_classes, engine=_engine(engine)
    )


def features(
    run: str | Path, layers: str | Sequence[str], *, data: str | Path | None = None,
    test_range: str | int | Sequence[int] | None = None, match_classes: bool = False, other_classes: bool = False,
    engine: EngineChoice | str = "reference",
) -> dict[str, Array]:  # fmt: skip
    """Activations of layers over the test range: name -> (cases, outputs), float32.

    The classes of the data must be the checkpoint's, as in `test`; with `other_classes` they may be any, for layers that have
    nothing to do with classes. Raises EngineError for a layer that is not there, CheckpointError, BatchFileError.
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    request = Request(
        resume=run, data=data, test_range=as_range(test_range), test_only=True, match_classes=match_classes,
        other_classes=other_classes, engine=_engine(engine),
    )  # fmt: skip
    return verbs.features(request, names)


def read_predictions(path: str | Path, *, data: str | Path | None = None) -> Predictions:
    """What `test(..., out=path)` kept: `.probabilities` (pictures, classes), `.pictures`, `.about`; `.blocks()` reads in parts.

    A folder of `test_preds_N` that a program of 2012 wrote is read beside the batch files in `data`, which it was made from.
    Raises BatchFileError, UserInputError for such a folder without `data`.
    """
    return batches.open_predictions(path, data)


def ensemble(
    files: Sequence[str | Path], *, weights: Sequence[float] | str | None = None, data: str | Path | None = None,
    seed: int = averaging.SEED, out: str | Path | None = None, submission: str | Path | None = None, report: Report = ignore,
) -> Ensemble:  # fmt: skip
    """Average predictions (see `read_predictions`): `.weights`, `.scores` and `.gain` over the best of the files.

    `weights` are numbers of at least 0, one a file, or "equal". Without them the convex weights of least log loss are found on
    one half of the labelled pictures and judged on the other. `out` keeps the average, `submission` writes five classes a
    line, numbered from 1. Raises UserInputError for files that are not of the same pictures in one order, classes and labels,
    or are the same; BatchFileError, WriteError.
    """
    return averaging.ensemble(
        files, weights=weights, data=data, seed=seed, out=out, submission=submission, report=report
    )


def check_gradients(layers: str | Path, *, engine: EngineChoice | str = "reference", **options: Any) -> GradientsChecked:
    """The release's own gradient check (engine-semantics section 6.4): one-sided differences, a bound of 0.02.

    Options as for `train`; without data, `provider="dummy-lr-N"` gives N random values a case.
    """
    return verbs.check_gradients(Request(layers=layers, engine=_engine(engine), **options))


def load_checkpoint(run: str | Path) -> Checkpoint:
    """A checkpoint file, or the newest of a run folder; nothing foreign is ever constructed.

    `.layers` maps names to layer dictionaries whose `weights` are (inputs, outputs) arrays; `.train_outputs` and
    `.test_outputs` are the history. Raises CheckpointError, UnsafePickleError.
    """
    return checkpoints.load(Path(run))


def save_checkpoint(checkpoint: Checkpoint, folder: str | Path) -> Path:
    """Write `<folder>/<epoch>.<batch>`, which Python 2.7 and the release load, beside what is there; returns the file.

    The options of the run are kept. Raises WriteError.
    """
    from alexnet_archive import training

    values, _ = training.merge({}, checkpoint.options)
    return checkpoints.save(Path(folder), checkpoint, training.rows(values), count=1 << 30)


def export_checkpoint(
    run: str | Path | Checkpoint, out: str | Path, kind: str | None = None, *, momentum: bool = False
) -> Path:
    """Write the weights as npz or safetensors, or the whole inference graph as onnx; the kind follows from `out`'s ending.

    Raises ExportError for what the format cannot express.
    """
    loaded = run if isinstance(run, Checkpoint) else load_checkpoint(run)
    return checkpoints.export(loaded, Path(out), kind or Path(out).suffix.lstrip("."), momentum=momentum)


def import_weights(source: str | Path, layers: str | Path, *, save: str | Path = ".", **options: Any) -> Imported:
    """Weights trained elsewhere (onnx, caffemodel, PyTorch state dictionary, safetensors, npz) into a checkpoint of 2012 under
    `save`, laid into the definition `layers`; nothing in the file is run.

    Every field of `ImportRequest` is an option, the usual ones: classes (a text file, a development kit or a data folder),
    data, side (pixels), and how the pictures were made: order ("rgb" or "bgr"), mean, deviation, pixel_range. Raises
    WeightsError for what cannot be read, and for what the layer language cannot say exactly, with everything that differs.
    """
    return importing.import_weights(ImportRequest(source=source, layers=layers, save=save, **options))


def notebook() -> tuple[Experiment, ...]:
    """The experiments of 2012 as recorded inside the release: errors are fractions, None where the files do not say."""
    return experiments.load()


def verify_original() -> list[Finding]:
    """Check every byte of the acquired release; an empty list when it is untouched.

    Raises MissingOriginalError when nothing has been acquired.
    """
    return list(archive.verify())


def compare_engines(a: str = "reference", b: str = "native", *, layers: str | Path = "demo", **options: Any) -> Behaviour:
    """Two engines or builds on the same weights, pictures and seed, item by item: `.items`, `.first_difference`.

    Sides are "reference", "native", "native:FLAVOUR[:TOOLCHAIN]" or "native:variant=NAME"; options are the fields of
    `CaseRequest`: data, minibatch, updates, rates, seed, train (batches: `.course` has both learning curves), ... Raises
    UserInputError, BuildError for a side that has not been built.
    """
    return comparison.compare_engines(a, b, comparison.CaseRequest(layers=layers, **options))


def _engine(engine: EngineChoice | str) -> EngineChoice:
    return engine if isinstance(engine, EngineChoice) else EngineChoice(engine)  # type: ignore[arg-type]


__all__ = [
    "check_gradients", "classify", "compare_engines", "convert", "demo_data", "ensemble", "export_checkpoint", "features",
    "import_weights", "load_checkpoint", "notebook", "open_data", "read_definition", "read_predictions", "save_checkpoint",
    "shape_table", "test", "train", "verify_original",
]  # fmt: skip
