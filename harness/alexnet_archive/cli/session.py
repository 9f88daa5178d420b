"""Puts the rooms together for the commands that run a network: options -> network, data, engine, checkpoint."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive import paths
from alexnet_archive.errors import CheckpointError, MissingOriginalError, UserInputError

if TYPE_CHECKING:
    from alexnet_archive.batches import Provider
    from alexnet_archive.checkpoints import Checkpoint
    from alexnet_archive.engines.reference import ReferenceEngine
    from alexnet_archive.layerdefs import DataShape


def run_options(function: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with every option of a run, in our spelling and the release's."""
    from alexnet_archive.training import TABLE

    for option in reversed(TABLE):
        spellings = [f"--{option.spelling}"] if option.spelling else []
        spellings.append(f"-{option.letter}" if len(option.letter) == 1 else f"--{option.letter}")
        function = click.option(*spellings, option.name, default=None, metavar="X", help=option.description)(function)
    return function


def release_layer_folders() -> list[Path]:
    """Where the acquired release keeps layer files; empty when it has not been acquired."""
    source = paths.original_source()
    return [source / name for name in ("layers", "layers-cifar", "example-layers") if (source / name).is_dir()]


def locate_definition(name: str) -> Path:
    """A definition by path or bare name: the acquired release first, then our nets.

    A missing name that the release is known to have says how to acquire it, and which net of ours has the same shape.
    """
    from alexnet_archive.layerdefs import find_definition

    folders = release_layer_folders()
    if folders:
        from alexnet_archive.archive import verify_quick

        verify_quick()
    try:
        return find_definition(name, search=folders)
    except Exception as error:
        if folders or not Path(name).name.startswith("layers-") or Path(name).exists():
            raise
        raise MissingOriginalError(
            f"{name} is a file of the 2012 release, and the release has not been acquired",
            path=name,
            remedy="run `alexnet-archive acquire`, or train our net of the same shape: --layers two-column-120",
        ) from error


def locate_parameters(definition: Path, given: str) -> Path:
    """The parameter file: the one given (by path, or bare name beside the definition), else the unambiguous one."""
    from alexnet_archive.layerdefs import find_parameters

    if given:
        return given_parameters(definition, given)
    found = find_parameters(definition)
    if found is None:
        raise UserInputError(
            f"no parameter file belongs to {definition.name} unambiguously",
            path=definition,
            remedy="name one with --params",
        )
    return found


def given_parameters(definition: Path, given: str) -> Path:
    """A parameter file by path, or by bare name beside the definition or in the release; raises UserInputError."""
    for candidate in (Path(given), definition.parent / given, *(f / given for f in release_layer_folders())):
        if candidate.is_file():
            return candidate
    raise UserInputError(f"there is no parameter file {given}", path=given, remedy="check the path of --params")


@dataclass
class Data:
    """The providers of a run and what the network needs to know about them."""

    train: Provider | None
    test: Provider | None
    shape: DataShape
    label_names: list[str]


def data_shape(provider: Provider) -> DataShape:
    """Rows per data index, number of classes and class tree: what a definition needs to know about its data."""
    from alexnet_archive.errors import ArchiveError
    from alexnet_archive.layerdefs import DataShape

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
    from alexnet_archive import batches
    from alexnet_archive.errors import BatchFileError

    try:
        return batches.read_meta(folder)
    except BatchFileError as error:
        if not folder.exists():
            error.remedy = f"name the data folder with --data; {error.remedy}"
        raise


def complete_data_options(values: dict[str, Any]) -> tuple[Path | None, str, bool]:
    """Fill in provider name and ranges where they were left to us; (folder, provider name, whether it needs no files)."""
    from alexnet_archive import batches

    folder = Path(values["data_path"]) if values["data_path"] else None
    dummy = values["dp_type"].startswith("dummy-")
    if folder is None and not dummy:
        remedy = "name one with --data, or make one with `convert`"
        if values["check_grads"]:
            remedy += "; without data gradients are checked on --data-provider dummy-lr-N, N values per case"
        raise UserInputError("no data folder was named", remedy=remedy)
    if not dummy and folder is not None:
        meta = read_meta_of_run(folder)
        values["dp_type"] = values["dp_type"] or meta.get("dp_type") or "inet-lr-cropped-jpeg"
        roles = batches.numbers_by_role(batches.batch_numbers(folder))
        values["train_batch_range"] = values["train_batch_range"] or roles["training"]
        values["test_batch_range"] = values["test_batch_range"] or roles["validation"] or roles["test"]
    return folder, values["dp_type"], dummy


def open_data(values: dict[str, Any], *, seed: int, training: bool) -> Data:
    """Open the providers that the options name: for training if that is wanted, and for testing.

    Raises UserInputError when no folder or no batches are named, BatchFileError for missing or unfit files.
    """
    from alexnet_archive import batches

    folder, name, dummy = complete_data_options(values)
    options = batches.ProviderOptions(
        crop_border=values["crop_border"],
        color_noise=values["color_noise"],
        multiview=bool(values["multiview_test"]),
        scalar_mean=bool(values["scalar_mean"]),
        seed=seed,
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
    return Data(train, test, data_shape(some), list(some.label_names))


def fresh_seed(given: int | None, checkpoint: Checkpoint | None) -> int:
    """The run's seed: given, else the checkpoint's, else a new one."""
    if given is not None:
        return given
    stored = checkpoint.extension.get("seed") if checkpoint else None
    return int(stored) if stored is not None else secrets.randbits(31)


@dataclass
class Layers:
    """Layer dictionaries with weights (layer-language section 7), the devices they need, and what the user should know."""

    dicts: dict[str, dict[str, Any]]
    gpus: int
    notices: list[str]


def build_layers(values: dict[str, Any], shape: DataShape, seed: int, *, lenient: bool, init: list[Path]) -> Layers:
    """Fresh layers from the definition and parameters that `values` name; weights are drawn with `seed`.

    Raises LayerFileError with every problem of the files, UserInputError and MissingOriginalError when they are not found.
    """
    import numpy as np

    from alexnet_archive import layerdefs

    definition = locate_definition(values["layer_def"])
    parameters = locate_parameters(definition, values["layer_params"])
    values["layer_def"], values["layer_params"] = str(definition), str(parameters)
    network = layerdefs.read_network(
        definition, parameters, shape, num_gpus=values["num_gpus"] or None, lenient=lenient, init_modules=init,
        conserve_mem=values["conserve_mem"],
    )  # fmt: skip
    layers = network.to_dicts(np.random.RandomState(seed % 2**32))
    notices = [str(note) for note in network.notes]
    return _converted(Layers(layers, network.num_gpus, notices), values)


def stored_layers(values: dict[str, Any], shape: DataShape, checkpoint: Checkpoint, *, typed: str, lenient: bool) -> Layers:
    """A checkpoint's layers under the parameter file that was `typed`, else under the one it remembers (section 2.1).

    A remembered file that is not here leaves the checkpoint's own parameters, with a notice. Raises CheckpointError for
    data of another shape, LayerFileError for a bad parameter file, UserInputError for a typed one that is not found.
    """
    from alexnet_archive import layerdefs

    layers, notices = checkpoint.layers, []
    check_shape(layers, shape, checkpoint)
    gpus = max([1, values["num_gpus"], *(int(layer.get("gpu", -1)) + 1 for layer in layers.values())])
    remembered = values["layer_params"]
    parameters = given_parameters(Path(values["layer_def"]), typed) if typed else Path(remembered)
    if parameters.is_file():
        values["layer_params"] = str(parameters)
        notes = layerdefs.apply_parameters(layers, parameters, lenient=lenient, conserve_mem=values["conserve_mem"])
        notices += [str(note) for note in notes]
    elif remembered:
        notices.append(f"parameter file {remembered} is not here: the checkpoint's own parameters stay")
    return _converted(Layers(layers, gpus, notices), values)


def _converted(layers: Layers, values: dict[str, Any]) -> Layers:
    """Apply conv-to-local and unshare-weights once: a resume shall not repeat them (section 2.1)."""
    from alexnet_archive import layerdefs

    if values["conv_to_local"]:
        layers.notices += layerdefs.conv_to_local(layers.dicts, values["conv_to_local"])
    if values["unshare_weights"]:
        layers.notices += layerdefs.unshare_weights(layers.dicts, values["unshare_weights"])
    values["conv_to_local"], values["unshare_weights"] = [], []
    values["num_gpus"] = layers.gpus
    return layers


def check_shape(layers: Mapping[str, Mapping[str, Any]], shape: DataShape, checkpoint: Checkpoint) -> None:
    """A checkpoint trained on data of another shape, or of fewer classes, is refused."""
    for name, layer in layers.items():
        if layer["type"] == "data" and shape.dims.get(layer["dataIdx"], layer["outputs"]) != layer["outputs"]:
            raise CheckpointError(
                f"data layer {name} of the checkpoint has {layer['outputs']} rows per case, the data folder gives "
                f"{shape.dims[layer['dataIdx']]}",
                path=checkpoint.path,
                expected=layer["outputs"],
                found=shape.dims[layer["dataIdx"]],
                remedy="give the --data and --crop-border this network was trained with",
            )
        if layer["type"] == "cost.logreg" and layers[layer["inputs"][1]]["outputs"] < shape.num_classes:
            raise CheckpointError(
                f"the data folder has more classes than {layer['inputs'][1]} of the checkpoint has units",
                path=checkpoint.path,
                expected=layers[layer["inputs"][1]]["outputs"],
                found=shape.num_classes,
                remedy="give the --data this network was trained with",
            )


@contextlib.contextmanager
def sound_layers(checkpoint: Checkpoint | None) -> Iterator[None]:
    """What goes wrong while a foreign checkpoint's layers become a network is the checkpoint's fault: CheckpointError."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if checkpoint is None:
            raise
        raise CheckpointError(
            "the checkpoint's layers do not describe a network", path=checkpoint.path, found=repr(error),
            remedy="the file is damaged or of another program: fetch it again",
        ) from error  # fmt: skip


def start_reference(layers: Layers, values: Mapping[str, Any], seed: int) -> ReferenceEngine:
    """The reference engine on `layers`, with the minibatch size and update frequency of the options."""
    from alexnet_archive.engines.reference import ReferenceEngine

    return ReferenceEngine(
        layers.dicts,
        num_gpus=layers.gpus,
        minibatch=values["minibatch_size"],
        update_frequency=values["wupdate_freq"],
        seed=seed,
    )


def run_folder(values: Mapping[str, Any], checkpoint: Checkpoint | None) -> Path:
    """Where a run saves: the directory it is resumed from, else a new one under --save (default: here)."""
    from alexnet_archive.checkpoints import run_folder_name

    if checkpoint is not None and checkpoint.path is not None and not values.get("_save_given"):
        return checkpoint.path.parent
    now = datetime.datetime.now()
    parent = Path(values["save_path"] or ".")
    while (parent / run_folder_name(now)).exists():  # another run began in this second, and pruning would empty it
        now += datetime.timedelta(seconds=1)
    return parent / run_folder_name(now)


@contextlib.contextmanager
def polite_stop() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that the loop asks for; the second one stops at once."""
    asked: list[int] = []

    def handler(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        # Not click.echo: the signal may have come while that was writing, and it must not be entered twice.
        os.write(2, b"finishing the minibatch, then saving (once more to stop at once)\n")

    old = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, previous in old.items():
            signal.signal(number, previous)
