"""What to run: one frozen request for training, testing and checking, on either engine.

Texts, as typed on a command line, become values here and nowhere else; what is None was not asked for, and a checkpoint's
or the release's default holds (`training.options`, python-and-data section 1.5.4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from alexnet_archive.errors import UserInputError
from alexnet_archive.training.options import BY_NAME, parse_range

Kind = Literal["reference", "native"]
Flavour = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs: the reference engine, or the built release in a flavour, on this machine or in a toolchain's image.

    `variant` names a build with patches (`build --variant`). Raises UserInputError for a kind or flavour that does not exist,
    and for a toolchain or variant without the native engine.
    """

    kind: Kind = "reference"
    flavour: Flavour = "cpu"
    toolchain: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        for what, given, known in (("engine", self.kind, Kind), ("flavour", self.flavour, Flavour)):
            if given not in get_args(known):
                raise UserInputError(f"there is no {what} {given}", expected=" or ".join(get_args(known)), found=given)
        for option, value in (("--toolchain", self.toolchain), ("--variant", self.variant)):
            if value is not None and self.kind != "native":
                raise UserInputError(f"{option} belongs to --engine native", remedy="add --engine native, or leave it out")

    @property
    def native(self) -> bool:
        return self.kind == "native"


# Field of a request -> the release's name of the option, where the two differ.
RELEASE_NAMES = {
    "resume": "load_file", "layers": "layer_def", "params": "layer_params", "data": "data_path", "provider": "dp_type",
    "train_range": "train_batch_range", "test_range": "test_batch_range", "epochs": "num_epochs",
    "test_frequency": "testing_freq", "save": "save_path", "max_megabytes": "max_filesize_mb", "gpus": "num_gpus",
    "boards": "gpu", "minibatch": "minibatch_size", "update_frequency": "wupdate_freq", "multiview": "multiview_test",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    """Network, data and the course of a run; None leaves a value to the checkpoint or to the release's default.

    `layers` is a definition by path or name; `resume` a checkpoint or run folder, which brings its own network, and `abandon`
    leaves behind what was saved after it; `init_from` is one whose weights a new run begins with. Ranges are batch numbers,
    `minibatch` is in cases, `test_frequency` in batches, `max_megabytes` the budget of the run folder, `keep` how many
    checkpoints stay in it. `pad_classes` declares classes that the data do not name as unused, up to the network's; `classes`
    and `classes_from_data` give one of our own nets an output layer of so many units, or of as many as the data name;
    `match_classes` maps the labels of data that have the checkpoint's classes in another order; `other_classes` says that what
    is computed has nothing to do with classes. `steps` is a file with a course of changes, `replay` a run of 2012 whose history
    is followed; `as_filed` takes a released parameter file as it stands, and ends the course of a run that is resumed. `boards`
    are device ordinals of the native engine. Values are judged when the request is opened, and raise UserInputError then.
    """

    layers: str | Path | None = None
    params: str | Path | None = None
    resume: str | Path | None = None
    abandon: bool = False
    init_from: str | Path | None = None
    gpus: int | None = None
    lenient: bool = False
    init_modules: tuple[Path, ...] = ()
    conv_to_local: Sequence[str] | None = None
    unshare_weights: Sequence[str] | None = None

    data: str | Path | None = None
    provider: str | None = None
    train_range: Sequence[int] | None = None
    test_range: Sequence[int] | None = None
    crop_border: int | None = None
    color_noise: float | None = None
    pca_noise: float | None = None
    scalar_mean: float | None = None
    pad_classes: bool = False
    match_classes: bool = False
    other_classes: bool = False
    classes: int | None = None
    classes_from_data: bool = False

    epochs: int | None = None
    minibatch: int | None = None
    update_frequency: int | None = None
    test_frequency: int | None = None
    test_one: bool | None = None
    test_only: bool | None = None
    multiview: bool | None = None
    test_out: str | Path | None = None
    logreg_name: str | None = None
    check_grads: bool | None = None
    seed: int | None = None

    save: str | Path | None = None
    keep: int | None = None
    max_megabytes: int | None = None
    zip_save: bool | None = None
    conserve_mem: bool | None = None

    steps: str | Path | None = None
    replay: str | None = None
    as_filed: bool = False

    engine: EngineChoice = field(default_factory=EngineChoice)
    boards: Sequence[int] | None = None

    @classmethod
    def from_texts(cls, texts: Mapping[str, Any], **others: Any) -> Request:
        """A request from option texts under the release's names (None: not given); `others` are fields of the request.

        Raises UserInputError naming the option whose text is none of its kind.
        """
        fields = {release: ours for ours, release in RELEASE_NAMES.items()}
        given = {fields.get(name, name): BY_NAME[name].parse(text) for name, text in texts.items() if text is not None}
        return cls(**given, **others)

    def replace(self, **changes: Any) -> Request:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def of_checkpoint(self, path: Path) -> Request:
        """The same call on a checkpoint that has the network, the data and the course of this one in its options."""
        stored = [f.name for f in dataclasses.fields(self) if RELEASE_NAMES.get(f.name, f.name) in BY_NAME]
        inherited = (name for name in stored if BY_NAME[RELEASE_NAMES.get(name, name)].inherited)
        return self.replace(**{**dict.fromkeys(inherited, None), "resume": path, "init_from": None})

    def given(self) -> dict[str, Any]:
        """What was asked for, under the release's option names."""
        named = {f.name: RELEASE_NAMES.get(f.name, f.name) for f in dataclasses.fields(self)}
        values = {release: getattr(self, ours) for ours, release in named.items() if release in BY_NAME}
        return {release: BY_NAME[release].parse(value) for release, value in values.items() if value is not None}


def as_range(value: str | int | Sequence[int] | None) -> list[int] | None:
    """Batch numbers as people give them: `"1-10"`, 3, or a list. Raises UserInputError for what is no range."""
    if value is None or isinstance(value, list):
        return value
    return parse_range(str(value)) if isinstance(value, (str, int)) else [int(number) for number in value]
