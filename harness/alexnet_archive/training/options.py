"""Options of a run under the release's names, so that a checkpoint of ours is one of the release's and the reverse.

One table serves the command line, the checkpoint's `op` entry and resuming (python-and-data sections 1.5.3 and 1.5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alexnet_archive.checkpoints import OptionRow, OptionType
from alexnet_archive.errors import UserInputError


@dataclass(frozen=True)
class RunOption:
    """One option: the release's spelling and name, ours, type, default, and whether a resume may change it."""

    letter: str
    name: str
    kind: OptionType
    default: Any
    description: str
    spelling: str | None = None
    set_once: bool = False


INT, BOOL, STRING, FLOAT = OptionType.INT, OptionType.BOOL, OptionType.STRING, OptionType.FLOAT

TABLE: tuple[RunOption, ...] = (
    RunOption("f", "load_file", STRING, "", "checkpoint or run directory to go on from", "resume"),
    RunOption("layer-def", "layer_def", STRING, "", "layer definition file or the name of one", "layers", set_once=True),
    RunOption("layer-params", "layer_params", STRING, "", "layer parameter file", "params"),
    RunOption("data-path", "data_path", STRING, "", "folder of batch files", "data"),
    RunOption("data-provider", "dp_type", STRING, "", "how batch files are read (default: what the folder says)"),
    RunOption("train-range", "train_batch_range", OptionType.RANGE, [], "training batch numbers, such as 1-10"),
    RunOption("test-range", "test_batch_range", OptionType.RANGE, [], "test batch numbers, such as 2000-2048"),
    RunOption("epochs", "num_epochs", INT, 50000, "last epoch"),
    RunOption("test-freq", "testing_freq", INT, 50, "test and save every so many training batches"),
    RunOption("test-one", "test_one", BOOL, 1, "each test uses one batch, cycling through the range"),
    RunOption("test-only", "test_only", BOOL, 0, "run one test pass and stop"),
    RunOption("save-path", "save_path", STRING, "", "parent folder of run directories", "save"),
    RunOption("max-filesize", "max_filesize_mb", INT, 0, "disk budget of a run directory in MB; 0 keeps the newest"),
    RunOption("zip-save", "zip_save", BOOL, 0, "compressed checkpoints"),
    RunOption("num-gpus", "num_gpus", INT, 0, "number of devices (default: as many as the definition uses)", "gpus"),
    RunOption("gpu", "gpu", OptionType.INT_LIST, [], "device ordinals, such as 0,1 (native engine)"),
    RunOption("mini", "minibatch_size", INT, 128, "cases in a minibatch", "minibatch"),
    RunOption("wupdate-freq", "wupdate_freq", INT, 1, "update the weights every so many minibatches"),
    RunOption("crop-border", "crop_border", INT, 4, "pixels cropped per side by cropping providers", set_once=True),
    RunOption("color-noise", "color_noise", FLOAT, 0.0, "coefficient of the colour noise while training"),
    RunOption("pca-noise", "pca_noise", FLOAT, 0.0, "accepted and unused, as in the release"),
    RunOption("scalar-mean", "scalar_mean", FLOAT, 0.0, "non-zero: subtract one mean instead of the mean image"),
    RunOption("multiview-test", "multiview_test", BOOL, 0, "average test predictions over crops and flips"),
    RunOption("test-out", "test_out", STRING, "", "folder for prediction files"),
    RunOption("logreg-name", "logreg_name", STRING, "", "cost layer whose averaged probabilities are written"),
    RunOption("conserve-mem", "conserve_mem", BOOL, 0, "free buffers after the backward pass"),
    RunOption("check-grads", "check_grads", BOOL, 0, "numerical gradient check, then stop"),
    RunOption("conv-to-local", "conv_to_local", OptionType.STRING_LIST, [], "turn conv layers into local ones"),
    RunOption("unshare-weights", "unshare_weights", OptionType.STRING_LIST, [], "decouple shared matrices"),
)
BY_NAME = {option.name: option for option in TABLE}


def parse_range(text: str) -> list[int]:
    """`a-b` -> a..b inclusive, `a` -> [a]; raises UserInputError."""
    first, dash, last = text.strip().partition("-")
    try:
        numbers = list(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        numbers = []
    if not numbers:
        raise UserInputError("not a range of batch numbers", expected="such as 1-10 or 3", found=text)
    return numbers


def parse_value(kind: OptionType, text: Any) -> Any:
    """The stored form of what was typed."""
    if kind is OptionType.RANGE:
        return parse_range(text) if isinstance(text, str) else list(text)
    if kind in (OptionType.INT_LIST, OptionType.STRING_LIST):
        parts = [p.strip() for p in text.split(",") if p.strip()] if isinstance(text, str) else list(text)
        if kind is OptionType.STRING_LIST:
            return parts
        try:
            return [int(p) for p in parts]
        except ValueError:
            raise UserInputError("not a list of numbers", expected="such as 0,1", found=text) from None
    return {INT: int, BOOL: int, FLOAT: float, STRING: str}[kind](text)


def merge(typed: Mapping[str, Any], stored: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """Values for a run: what was typed, else what the checkpoint stored, else the default; and notices.

    Options that are set once keep the checkpoint's value, with a notice (section 1.5.3).
    """
    values: dict[str, Any] = {}
    notices: list[str] = []
    for option in TABLE:
        old = None if stored is None else stored.get(option.name)
        new = typed.get(option.name)
        if old is not None and old != "" and option.set_once:
            if new is not None and parse_value(option.kind, new) != old:
                notices.append(f"--{option.letter} is set once: keeping {old}")
            values[option.name] = old
        elif new is not None:
            values[option.name] = parse_value(option.kind, new)
        else:
            values[option.name] = option.default if old is None else old
    return values, notices


def rows(values: Mapping[str, Any]) -> tuple[OptionRow, ...]:
    """The options as a checkpoint stores them."""
    return tuple(
        OptionRow(
            o.letter, o.name, o.kind, o.description, values[o.name], o.default,
            given=values[o.name] != o.default, set_once=o.set_once,
        )
        for o in TABLE
    )  # fmt: skip
