"""Puts the rooms together for the commands that run a network: options -> network, data, engine, checkpoint."""

from __future__ import annotations

import contextlib
import datetime
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

TEST_BATCHES_FROM = 2000  # validation from 2000, test from 3000 (python-and-data section 4.1)


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
        for candidate in (Path(given), definition.parent / given, *(f / given for f in release_layer_folders())):
            if candidate.is_file():
                return candidate
        raise UserInputError(f"there is no parameter file {given}", path=given, remedy="check the path of --params")
    found = find_parameters(definition)
    if found is None:
        raise UserInputError(
            f"no parameter file belongs to {definition.name} unambiguously",
            path=definition,
            remedy="name one with --params",
        )
    return found


@dataclass
class Data:
    """The providers of a run and what the network needs to know about them."""

    train: Provider | None
    test: Provider | None
    shape: DataShape
    label_names: list[str]


def data_shape(provider: Provider) -> DataShape:
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


def complete_data_options(values: dict[str, Any]) -> tuple[Path | None, str, bool]:
    """Fill in provider name and ranges where they were left to us; (folder, provider name, whether it needs no files)."""
    from alexnet_archive import batches

    folder = Path(values["data_path"]) if values["data_path"] else None
    dummy = values["dp_type"].startswith("dummy-")
    if folder is None and not dummy:
        raise UserInputError("no data folder was named", remedy="name one with --data, or make one with `convert`")
    if not dummy and folder is not None:
        meta = batches.read_meta(folder)
        values["dp_type"] = values["dp_type"] or meta.get("dp_type") or "inet-lr-cropped-jpeg"
        numbers = batches.batch_numbers(folder)
        if not values["train_batch_range"]:
            values["train_batch_range"] = [n for n in numbers if n < TEST_BATCHES_FROM]
        if not values["test_batch_range"]:
            values["test_batch_range"] = [n for n in numbers if n >= TEST_BATCHES_FROM]
    return folder, values["dp_type"], dummy


def open_data(values: dict[str, Any], *, seed: int, training: bool, epoch_start: tuple[int, int] | None = None) -> Data:
    """Open the providers named by the options."""
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
        train = open_one(
            name, folder, values["train_batch_range"] or None, test=False, options=options, start=epoch_start
        )
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


def build_layers(
    values: dict[str, Any], shape: DataShape, seed: int, checkpoint: Checkpoint | None, *, lenient: bool, init: list[Path]
) -> tuple[dict[str, dict[str, Any]], int, list[str]]:
    """Layer dictionaries with weights, the number of devices, and notices: fresh ones, or a checkpoint's re-parametrised."""
    import numpy as np

    from alexnet_archive import layerdefs

    notices: list[str] = []
    if checkpoint is None:
        definition = locate_definition(values["layer_def"])
        parameters = locate_parameters(definition, values["layer_params"])
        values["layer_def"], values["layer_params"] = str(definition), str(parameters)
        network = layerdefs.read_network(
            definition, parameters, shape, num_gpus=values["num_gpus"] or None, lenient=lenient, init_modules=init,
            conserve_mem=values["conserve_mem"],
        )  # fmt: skip
        notices += [str(note) for note in network.notes]
        layers, gpus = network.to_dicts(np.random.RandomState(seed % 2**32)), network.num_gpus
    else:
        layers = checkpoint.layers
        check_shape(layers, shape, checkpoint)
        gpus = max([1, values["num_gpus"], *(int(layer.get("gpu", -1)) + 1 for layer in layers.values())])
        parameters_path = Path(values["layer_params"])
        if parameters_path.is_file():
            layerdefs.apply_parameters(layers, parameters_path, lenient=lenient, conserve_mem=values["conserve_mem"])
        else:
            notices.append(f"parameter file {parameters_path} is not here: the checkpoint's own parameters stay")
    notices += layerdefs.conv_to_local(layers, values["conv_to_local"]) if values["conv_to_local"] else []
    notices += layerdefs.unshare_weights(layers, values["unshare_weights"]) if values["unshare_weights"] else []
    values["conv_to_local"], values["unshare_weights"] = [], []
    values["num_gpus"] = gpus
    return layers, gpus, notices


def check_shape(layers: Mapping[str, Mapping[str, Any]], shape: DataShape, checkpoint: Checkpoint) -> None:
    """A checkpoint trained on data of another shape is refused."""
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


def start_reference(layers: dict[str, dict[str, Any]], values: Mapping[str, Any], gpus: int, seed: int) -> ReferenceEngine:
    from alexnet_archive.engines.reference import ReferenceEngine

    return ReferenceEngine(
        layers, num_gpus=gpus, minibatch=values["minibatch_size"], update_frequency=values["wupdate_freq"], seed=seed
    )


def run_folder(values: Mapping[str, Any], checkpoint: Checkpoint | None) -> Path:
    """Where a run saves: the directory it is resumed from, else a new one under --save (default: here)."""
    from alexnet_archive.checkpoints import run_folder_name

    if checkpoint is not None and checkpoint.path is not None and not values.get("_save_given"):
        return checkpoint.path.parent
    return Path(values["save_path"] or ".") / run_folder_name(datetime.datetime.now())


@contextlib.contextmanager
def polite_stop() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that the loop asks for; the second one stops at once."""
    asked: list[int] = []

    def handler(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        click.echo("finishing the minibatch, then saving (once more to stop at once)", err=True)

    old = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, previous in old.items():
            signal.signal(number, previous)
