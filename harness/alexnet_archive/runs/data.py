"""The data of a run: what the options leave open is filled in from the folder, then its providers are opened."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_archive import batches
from alexnet_archive.errors import ArchiveError, BatchFileError, UserInputError
from alexnet_archive.layerdefs import DataShape

if TYPE_CHECKING:
    from alexnet_archive.batches import Provider
    from alexnet_archive.engines.base import Array


@dataclass
class Data:
    """The providers of a run and what the network needs to know about them.

    `label_names` are those of the folder: fewer than `shape.num_classes` where the others were declared unused; `wnids`
    are what tells classes of one name apart, where the folder has that.
    """

    train: Provider | None
    test: Provider | None
    shape: DataShape
    label_names: list[str]
    notices: tuple[str, ...] = ()
    wnids: tuple[str, ...] = ()

    @property
    def named(self) -> int | None:
        """How many classes have a name, the first ones; None where all have."""
        named = len(self.label_names)
        return named if 0 < named < self.shape.num_classes else None


def data_shape(provider: Provider) -> DataShape:
    """Rows per data index, number of classes and class tree: what a definition needs to know about its data."""
    dims: dict[int, int] = {}
    for index in range(3):
        with contextlib.suppress(ArchiveError, IndexError, KeyError, ValueError):
            dims[index] = provider.dims(index)
    meta = provider.meta
    tree = meta.get("tree")
    listed = [list(tree[k]) for k in range(len(tree))] if tree is not None else None
    root = meta.get("all_wnids", {}).get("gproot") if tree is not None else None
    return DataShape(dims=dims, num_classes=provider.num_classes, tree=listed, root_label=root)


def read_meta_of_run(folder: Path) -> dict[str, Any]:
    """`batches.meta`; when it is not there the error says which option names the folder that a checkpoint remembers."""
    try:
        return batches.read_meta(folder)
    except BatchFileError as error:
        if not folder.exists():
            error.remedy = f"name the data folder with --data; {error.remedy}"
        raise


def own_options(folder: Path) -> dict[str, Any]:
    """Provider and ranges of a data folder, under the release's names. Raises BatchFileError."""
    meta = read_meta_of_run(folder)
    roles = batches.roles_in(meta, batches.batch_numbers(folder))
    return {
        "dp_type": batches.default_provider(meta), "train_batch_range": roles["training"],
        "test_batch_range": roles["validation"] or roles["test"],
    }  # fmt: skip


def complete_data_options(values: dict[str, Any]) -> tuple[Path | None, str, bool]:
    """Fill in provider name and ranges where they were left to us; (folder, provider name, whether it needs no files)."""
    folder = Path(values["data_path"]) if values["data_path"] else None
    dummy = values["dp_type"].startswith("dummy-")
    if folder is None and not dummy:
        remedy = "name one with --data, or make one with `convert`"
        if values["check_grads"]:
            remedy += "; without data gradients are checked on --data-provider dummy-lr-N, N values per case"
        raise UserInputError("no data folder was named", remedy=remedy)
    if not dummy and folder is not None:
        folder = folder.absolute()  # a checkpoint is not always opened where it was made
        values["data_path"] = str(folder)
        for name, own in own_options(folder).items():
            values[name] = values[name] or own
    return folder, values["dp_type"], dummy


def open_data(
    values: dict[str, Any], *, seed: int, training: bool, classes: int = 0, order: tuple[int, ...] = (),
    mean: Array | None = None,
) -> Data:  # fmt: skip
    """Open the providers that the options name: for training if that is wanted, and for testing.

    `classes` are declared at least (`classes.padding_of`), given out in another `order` (`joining.join`); `mean` takes the
    place of the folder's (`imported.mean_of`).

    Raises UserInputError when no folder or no batches are named, BatchFileError for missing or unfit files.
    """
    folder, name, dummy = complete_data_options(values)
    options = batches.ProviderOptions(
        crop_border=values["crop_border"],
        color_noise=values["color_noise"],
        multiview=bool(values["multiview_test"]),
        scalar_mean=bool(values["scalar_mean"]),
        seed=seed,
        classes=classes,
        order=order,
        mean=mean,
    )
    open_one = batches.open_provider
    train = test = None
    if training:
        if not dummy and not values["train_batch_range"]:
            raise UserInputError(f"{folder} holds no training batches", path=folder, remedy="run `convert` again")
        train = open_one(name, folder, values["train_batch_range"] or None, test=False, options=options)
    if dummy or values["test_batch_range"]:
        test = open_one(name, folder, values["test_batch_range"] or None, test=True, options=options)
    some = train or test
    if some is None:
        raise UserInputError(f"{folder} holds no test batches", path=folder, remedy="name some with --test-range")
    notices: tuple[str, ...] = ()
    if train and test and folder and not batches.has_labels(folder, test.batch_range):
        notices = (f"no tests are made: no picture of {_span(test.batch_range)} has a label",)
        test.close()
        test = None
    names, wnids = list(some.label_names), tuple(some.meta.get("wnids") or ())
    return Data(train, test, data_shape(some), names, notices, wnids if len(wnids) == len(names) else ())


def _span(numbers: list[int]) -> str:
    return f"batch {numbers[0]}" if len(numbers) == 1 else f"batches {numbers[0]} to {numbers[-1]}"
