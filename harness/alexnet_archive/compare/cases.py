"""What two engines are given: one definition, one first checkpoint, one set of batches without anything random in it.

Batches are raw ones for the provider `inet-lr`, which neither crops nor mirrors (python-and-data section 4.4), and each is
one minibatch, so that batches count updates. The checkpoint stands just before batch 1 of epoch 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import batches, checkpoints, layerdefs
from alexnet_archive.checkpoints import Checkpoint, OptionRow
from alexnet_archive.engines.base import Array
from alexnet_archive.errors import UserInputError
from alexnet_archive.files import make_folder, write_text

PROVIDER = "inet-lr"
TRAIN_BATCHES = 10
TEST_BATCH = 2000
WORDS = 100
LEARNED = ("weights", "weightsInc", "biases", "biasesInc")
AMPLITUDE = 8


@dataclass(frozen=True)
class Case:
    """One comparison. `checkpoint` is the file both engines start from, just before update number `first`.

    `updates` are counts since the beginning, in rising order; `rows` the options as a checkpoint stores them; `boards` the
    ordinals of native devices, by layer index `gpu`: nothing for 0, 1, ...
    """

    folder: Path
    data: Path
    checkpoint: Path
    definition: Path
    parameters: Path
    minibatch: int
    num_gpus: int
    seed: int
    updates: tuple[int, ...]
    epochs: int
    rows: tuple[OptionRow, ...]
    first: int = 1
    boards: tuple[int, ...] = ()

    @property
    def train_range(self) -> list[int]:
        return list(range(1, TRAIN_BATCHES + 1))

    @property
    def test_range(self) -> list[int]:
        return [TEST_BATCH]

    def position(self, update: int) -> tuple[int, int]:
        """(epoch, batch) of update number `update`, counted from 1."""
        return 1 + (update - 1) // TRAIN_BATCHES, 1 + (update - 1) % TRAIN_BATCHES

    def progress(self, update: int) -> float:
        """What convnet.py passes for this update (section 2.3)."""
        return min(1.0, max(0.0, (update - 1) / (self.epochs * TRAIN_BATCHES)))

    def after(self, count: int, layers: Mapping[str, Mapping[str, Any]]) -> Case:
        """The same case going on from `layers` (what was learned after `count` updates) for one update."""
        stored = checkpoints.load(self.checkpoint).layers
        overlay(stored, layers)
        epoch, batch = self.position(count)
        folder = self.folder / f"after-{count}"
        checkpoints.save(folder, Checkpoint(epoch=epoch, batchnum=batch, layers=stored), self.rows)
        return replace(self, checkpoint=folder / f"{epoch}.{batch}", first=count + 1, updates=(count + 1,))

    def matrices(self, number: int) -> tuple[Array, ...]:
        """One batch as the provider hands it over."""
        options = batches.ProviderOptions(crop_border=0, color_noise=0.0, multiview=False, scalar_mean=False, seed=0)
        provider = batches.open_provider(PROVIDER, self.data, [number], test=True, options=options)
        try:
            return provider.load(1, number).matrices
        finally:
            provider.close()


def make_case(
    folder: Path,
    definition: Path,
    parameters: Path,
    *,
    pictures: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    classes: int,
    minibatch: int,
    num_gpus: int | None = None,
    boards: Sequence[int] = (),
    seed: int = 1,
    updates: Sequence[int] = (1, 10, 100),
    options: Callable[[Mapping[str, Any]], tuple[OptionRow, ...]],
    rates: float = 1.0,
    like: Case | None = None,
) -> Case:
    """Write data and first checkpoint below `folder`.

    `like` is the case of the other side where the two have different nets: its data are used, and its first weights wherever a
    layer has the same name and shape. `pictures` are TRAIN_BATCHES + 1 pairs (values (3 * side * side, cases) float32, labels
    (cases,)), the last for testing;
    `options` turns option values into the rows of a checkpoint (`training.rows`); `rates` multiplies every learning rate.
    Raises LayerFileError, UserInputError.
    """
    counts = _counts(updates)
    parameters = parameters if rates == 1.0 else _scaled(parameters, rates, folder)
    shape = layerdefs.DataShape(dims={0: pictures[0][0].shape[0], 1: 1, 2: WORDS}, num_classes=classes)
    network = layerdefs.read_network(definition, parameters, shape, num_gpus=num_gpus)
    _check_boards(boards, network.num_gpus)
    data = folder / "data" if like is None else like.data
    if like is None:
        _write_data(data, pictures, classes)
    case = Case(
        folder, data, folder / "start" / f"0.{TRAIN_BATCHES}", Path(definition).absolute(), Path(parameters).absolute(),
        minibatch, network.num_gpus, seed, counts, -(-counts[-1] // TRAIN_BATCHES), rows=(), boards=tuple(boards),
    )  # fmt: skip
    case = replace(case, rows=options(option_values(case)))
    layers = network.to_dicts(np.random.RandomState(seed % 2**32))
    if like is not None:
        overlay(layers, checkpoints.load(like.checkpoint).layers)
    first = Checkpoint(epoch=0, batchnum=TRAIN_BATCHES, layers=layers)
    checkpoints.save(case.checkpoint.parent, first, case.rows)
    return case


def _counts(updates: Sequence[int]) -> tuple[int, ...]:
    counts = tuple(sorted({int(count) for count in updates}))
    if not counts or counts[0] < 1:
        raise UserInputError("updates are counts of at least 1", found=list(updates))
    return counts


def _check_boards(boards: Sequence[int], devices: int) -> None:
    if boards and len(boards) < devices:
        raise UserInputError("a native side needs a device for each `gpu` of the definition", expected=devices,
                             found=list(boards), remedy="name one more than once if there are too few")  # fmt: skip


def overlay(layers: Mapping[str, dict[str, Any]], learned: Mapping[str, Mapping[str, Any]]) -> None:
    """Put what was learned elsewhere into layers of the same name, wherever it has their shape."""
    for name, other in learned.items():
        mine = layers.get(name, {})
        known = [key for key in LEARNED if key in other and key in mine]
        mine.update({key: other[key] for key in known if _shapes(other[key]) == _shapes(mine[key])})


def _shapes(value: Any) -> list[tuple[int, ...]]:
    return [np.shape(one) for one in value] if isinstance(value, list) else [np.shape(value)]


def option_values(case: Case) -> dict[str, Any]:
    """Option values of the run, under the release's names."""
    return {
        "layer_def": str(case.definition), "layer_params": str(case.parameters), "data_path": str(case.data),
        "dp_type": PROVIDER, "train_batch_range": case.train_range, "test_batch_range": case.test_range,
        "num_epochs": case.epochs, "save_path": str(case.folder), "num_gpus": case.num_gpus,
        "minibatch_size": case.minibatch, "crop_border": 0, "testing_freq": 1, "gpu": list(case.boards),
    }  # fmt: skip


def _scaled(parameters: Path, rates: float, folder: Path) -> Path:
    """A copy of a parameter file with every epsW and epsB multiplied."""

    def scale(match: re.Match[str]) -> str:
        return match[1] + ",".join(f"{float(part) * rates:.9g}" for part in match[2].split(","))

    text = Path(parameters).read_text(encoding="latin1")
    scaled = re.sub(r"^(eps[WB]\s*[=:]\s*)([-+.\deE,\s]*?)(?=\s*(?:;|$))", scale, text, flags=re.MULTILINE | re.IGNORECASE)
    target = folder / f"{Path(parameters).stem}-rates-{rates:g}.cfg"
    make_folder(folder)
    write_text(target, scaled)
    return target


def _write_data(data: Path, pictures: Sequence[tuple[NDArray[Any], NDArray[Any]]], classes: int) -> None:
    if len(pictures) != TRAIN_BATCHES + 1:
        raise UserInputError("a comparison needs one batch to test and some to train", expected=TRAIN_BATCHES + 1)
    make_folder(data)
    features = pictures[0][0].shape[0]
    meta = {
        "num_vis": features, "data_mean": np.zeros((features, 1), np.float32), "batch_size": pictures[0][0].shape[1],
        "color_pca": [np.ones(3, np.float32), np.eye(3, dtype=np.float32)],
        "label_names": [f"class {k}" for k in range(classes)],
    }  # fmt: skip
    batches.write_meta(data, meta)
    for number, (values, labels) in zip([*range(1, TRAIN_BATCHES + 1), TEST_BATCH], pictures):
        marked = np.array(labels, dtype=np.int64).reshape(-1)
        # The provider of the release wants class 0 in every batch (section 4.4).
        marked[0] = 0
        content = {
            "data": np.ascontiguousarray(values, np.float32), "labels": [int(label) for label in marked],
            "wordpres": np.zeros((WORDS, values.shape[1]), np.float32),
        }  # fmt: skip
        batches.write_batch(batches.batch_path(data, number), content)


def synthetic_pictures(side: int, classes: int, cases: int, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Noisy prototypes, one per class, zero mean: something a network learns within a hundred updates."""
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(0, AMPLITUDE, (3 * side * side, classes)).astype(np.float32)

    def batch() -> tuple[NDArray[Any], NDArray[Any]]:
        labels = rng.integers(0, classes, cases)
        labels[0] = 0
        noise = rng.normal(0, AMPLITUDE, (3 * side * side, cases)).astype(np.float32)
        return prototypes[:, labels] + noise, labels

    return [batch() for _ in range(TRAIN_BATCHES + 1)]


def pictures_of(folder: Path, provider: str, border: int, cases: int) -> tuple[list[tuple[NDArray[Any], NDArray[Any]]], int]:
    """Pictures of a data folder, centre crops minus mean, cut into minibatches (again from the start when they run out);
    and the number of classes. Raises UserInputError when there are fewer pictures than one minibatch."""
    options = batches.ProviderOptions(crop_border=border, color_noise=0.0, multiview=False, scalar_mean=False, seed=0)
    numbers = batches.batch_numbers(folder)
    opened = batches.open_provider(provider, folder, numbers, test=True, options=options)
    try:
        classes = opened.num_classes
        loaded = (opened.load(1, number).labelled().matrices for number in numbers)
        values, labels = _gather(loaded, cases * (TRAIN_BATCHES + 1))
    finally:
        opened.close()
    if labels.size < cases:
        raise UserInputError(f"{folder} holds fewer pictures than a minibatch", path=folder, expected=cases, found=labels.size)
    order = [np.arange(k * cases, (k + 1) * cases) % labels.size for k in range(TRAIN_BATCHES + 1)]
    return [(values[:, columns], labels[columns]) for columns in order], classes


def _gather(loaded: Iterator[tuple[Array, ...]], wanted: int) -> tuple[NDArray[Any], NDArray[Any]]:
    values: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    have = 0
    for matrices in loaded:
        values.append(np.asarray(matrices[0]))
        labels.append(np.asarray(matrices[1]).reshape(-1))
        have += labels[-1].size
        if have >= wanted:
            break
    return np.concatenate(values, axis=1), np.concatenate(labels)
