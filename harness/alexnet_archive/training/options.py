"""Options of a run under the release's names, so that a checkpoint of ours is one of the release's and the reverse.

One table serves the command line, the checkpoint's `op` entry and resuming (python-and-data sections 1.5.3 and 1.5.4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alexnet_archive.checkpoints import OptionRow, OptionType
from alexnet_archive.errors import UserInputError

LONGEST_RANGE = 1_000_000
"""Batches in a range; more is a slip of the finger that would fill the memory."""


SHOWN = {
    OptionType.INT: "INT", OptionType.BOOL: "0|1", OptionType.FLOAT: "FLOAT", OptionType.STRING: "TEXT",
    OptionType.RANGE: "A-B", OptionType.INT_LIST: "N,...", OptionType.STRING_LIST: "NAME,...",
}  # fmt: skip


@dataclass(frozen=True)
class RunOption:
    """One option: the release's spelling and name, ours, type, default, and whether a resume may change it.

    `least` is the smallest number accepted. What is not `inherited` belongs to one call: a resume does not take it from
    the checkpoint, which may come from another machine and name its folders (section 8). Help lists it under `group`
    and shows `value` as what is typed, where the type alone does not say it.
    """

    letter: str
    name: str
    kind: OptionType
    default: Any
    description: str
    spelling: str | None = None
    set_once: bool = False
    least: float | None = None
    inherited: bool = True
    group: str = "run"
    value: str = ""

    @property
    def shown(self) -> str:
        """What is typed after the option, as help shows it."""
        return self.value or SHOWN[self.kind]

    def parse(self, value: Any) -> Any:
        """The stored form of what was typed or of what a checkpoint holds; raises UserInputError naming the option."""
        try:
            parsed = parse_value(self.kind, value)
        except (TypeError, ValueError) as error:
            raise self._refused(value, {INT: "a whole number", FLOAT: "a number", BOOL: "0 or 1"}.get(self.kind)) from error
        except UserInputError as error:
            raise self._refused(value, error.expected) from error
        if self.kind is BOOL and parsed not in (0, 1):
            raise self._refused(value, "0 or 1")
        if self.least is not None and parsed < self.least:
            raise self._refused(value, f"at least {self.least:g}")
        return parsed

    def _refused(self, value: Any, expected: Any) -> UserInputError:
        return UserInputError(f"--{self.spelling or self.letter} cannot be {value!r}", expected=expected, found=value)


INT, BOOL, STRING, FLOAT = OptionType.INT, OptionType.BOOL, OptionType.STRING, OptionType.FLOAT

TABLE: tuple[RunOption, ...] = (
    RunOption(
        "f", "load_file", STRING, "", "checkpoint or run directory to go on from", "resume", group="network", value="PATH"
    ),
    RunOption(
        "layer-def",
        "layer_def",
        STRING,
        "",
        "layer definition file or the name of one",
        "layers",
        set_once=True,
        group="network",
        value="NET",
    ),
    RunOption("layer-params", "layer_params", STRING, "", "layer parameter file", "params", group="network", value="PATH"),
    RunOption(
        "data-path",
        "data_path",
        STRING,
        "",
        "folder of batch files, or photographs for the built-in ones (default: ALEXNET_ARCHIVE_DATA, batches or data here, "
        "the photographs)",
        "data",
        group="data",
        value="PATH",
    ),
    RunOption(
        "data-provider",
        "dp_type",
        STRING,
        "",
        "how batch files are read (default: what the folder says)",
        group="data",
        value="NAME",
    ),
    RunOption("train-range", "train_batch_range", OptionType.RANGE, [], "training batch numbers, such as 1-10", group="data"),
    RunOption("test-range", "test_batch_range", OptionType.RANGE, [], "test batch numbers, such as 2000-2048", group="data"),
    RunOption("epochs", "num_epochs", INT, 50000, "last epoch", least=1),
    RunOption("test-freq", "testing_freq", INT, 50, "test and save every so many training batches", least=1),
    RunOption("test-one", "test_one", BOOL, 1, "each test uses one batch, cycling through the range"),
    RunOption("test-only", "test_only", BOOL, 0, "run one test pass and stop", inherited=False),
    RunOption("save-path", "save_path", STRING, "", "parent folder of run directories", "save", group="output", value="PATH"),
    RunOption(
        "max-filesize",
        "max_filesize_mb",
        INT,
        0,
        "disk budget of a run directory in MB; 0 keeps the newest",
        least=0,
        group="output",
        value="MB",
    ),
    RunOption("zip-save", "zip_save", BOOL, 0, "compressed checkpoints", group="output"),
    RunOption(
        "num-gpus",
        "num_gpus",
        INT,
        0,
        "number of devices (default: as many as the definition uses)",
        "gpus",
        least=0,
        group="network",
    ),
    RunOption("gpu", "gpu", OptionType.INT_LIST, [], "device ordinals, such as 0,1 (native engine)", group="engine"),
    RunOption("mini", "minibatch_size", INT, 128, "cases in a minibatch", "minibatch", least=1),
    RunOption("wupdate-freq", "wupdate_freq", INT, 1, "update the weights every so many minibatches", least=1),
    RunOption(
        "crop-border",
        "crop_border",
        INT,
        4,
        "pixels cropped per side by cropping providers; another where the network refuses such crops",
        set_once=True,
        group="data",
    ),
    RunOption(
        "color-noise", "color_noise", FLOAT, 0.0, "coefficient of the colour noise while training", least=0, group="data"
    ),
    RunOption("pca-noise", "pca_noise", FLOAT, 0.0, "accepted and unused, as in the release", group="data"),
    RunOption("scalar-mean", "scalar_mean", FLOAT, 0.0, "non-zero: subtract one mean instead of the mean image", group="data"),
    RunOption("multiview-test", "multiview_test", BOOL, 0, "average test predictions over crops and flips"),
    RunOption("test-out", "test_out", STRING, "", "folder for prediction files", inherited=False, group="output", value="PATH"),
    RunOption(
        "logreg-name",
        "logreg_name",
        STRING,
        "",
        "cost layer whose averaged probabilities are written",
        group="output",
        value="NAME",
    ),
    RunOption("conserve-mem", "conserve_mem", BOOL, 0, "free buffers after the backward pass", group="engine"),
    RunOption("check-grads", "check_grads", BOOL, 0, "numerical gradient check, then stop", inherited=False),
    RunOption(
        "conv-to-local", "conv_to_local", OptionType.STRING_LIST, [], "turn conv layers into local ones", group="network"
    ),
    RunOption("unshare-weights", "unshare_weights", OptionType.STRING_LIST, [], "decouple shared matrices", group="network"),
)
BY_NAME = {option.name: option for option in TABLE}


def parse_range(text: str) -> list[int]:
    """`a-b` -> a..b inclusive, `a` -> [a]; raises UserInputError."""
    first, dash, last = text.strip().partition("-")
    try:
        numbers = range(int(first), int(last if dash else first) + 1)
    except ValueError:
        numbers = range(0)
    if not 0 < len(numbers) <= LONGEST_RANGE:
        raise UserInputError("not a range of batch numbers", expected="such as 1-10 or 3", found=text)
    return list(numbers)


def parse_value(kind: OptionType, text: Any) -> Any:
    """Text or a stored value as its type; raises UserInputError, TypeError or ValueError."""
    if kind is OptionType.RANGE:
        return parse_range(text) if isinstance(text, str) else [int(n) for n in text]
    if kind in (OptionType.INT_LIST, OptionType.STRING_LIST):
        parts = [p.strip() for p in text.split(",") if p.strip()] if isinstance(text, str) else list(text)
        if kind is OptionType.STRING_LIST:
            return [str(p) for p in parts]
        try:
            return [int(p) for p in parts]
        except ValueError:
            raise UserInputError("not a list of numbers", expected="such as 0,1", found=text) from None
    value = {INT: int, BOOL: int, FLOAT: float, STRING: str}[kind](text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return value


def merge(typed: Mapping[str, Any], stored: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """Values for a run: what was typed, else what the checkpoint stored, else the default; and notices.

    Options that are set once keep the checkpoint's value, with a notice (section 1.5.3). A stored value that cannot be
    one gives way to the default, with a notice. Raises UserInputError for what was typed.
    """
    values: dict[str, Any] = {}
    notices: list[str] = []
    for option in TABLE:
        old, notice = _stored_value(option, stored or {})
        notices += [notice] if notice else []
        new = None if typed.get(option.name) is None else option.parse(typed[option.name])
        if option.set_once and old not in (None, ""):
            if new is not None and new != old:
                notices.append(f"--{option.letter} is set once: keeping {old}")
            values[option.name] = old
        else:
            values[option.name] = next((v for v in (new, old) if v is not None), option.default)
    return values, notices


def _stored_value(option: RunOption, stored: Mapping[str, Any]) -> tuple[Any, str]:
    value = stored.get(option.name) if option.inherited else None
    if value is None:
        return None, ""
    try:
        return option.parse(value), ""
    except UserInputError:
        return None, f"the checkpoint's --{option.letter} is unusable ({value!r}): the default {option.default!r} holds"


def rows(values: Mapping[str, Any]) -> tuple[OptionRow, ...]:
    """The options as a checkpoint stores them."""
    return tuple(
        OptionRow(
            o.letter, o.name, o.kind, o.description, values[o.name], o.default,
            given=values[o.name] != o.default, set_once=o.set_once,
        )
        for o in TABLE
    )  # fmt: skip
