"""Options of the release's scripts as they are typed (python-and-data sections 1.5.4 and 1.5.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alexnet_archive.engines.base import Runner

# name -> what is typed. Options whose value is a path on the host are mapped into the place the script runs in.
TYPED = {
    "load_file": "-f", "train_batch_range": "--train-range", "test_batch_range": "--test-range",
    "dp_type": "--data-provider", "testing_freq": "--test-freq", "num_epochs": "--epochs", "data_path": "--data-path",
    "save_path": "--save-path", "max_filesize_mb": "--max-filesize", "num_gpus": "--num-gpus", "gpu": "--gpu",
    "test_only": "--test-only", "test_one": "--test-one", "zip_save": "--zip-save", "minibatch_size": "--mini",
    "layer_def": "--layer-def", "layer_params": "--layer-params", "check_grads": "--check-grads",
    "multiview_test": "--multiview-test", "crop_border": "--crop-border", "conv_to_local": "--conv-to-local",
    "unshare_weights": "--unshare-weights", "conserve_mem": "--conserve-mem", "color_noise": "--color-noise",
    "test_out": "--test-out", "logreg_name": "--logreg-name", "pca_noise": "--pca-noise",
    "scalar_mean": "--scalar-mean", "wupdate_freq": "--wupdate-freq", "write_features": "--write-features",
    "feature_path": "--feature-path",
}  # fmt: skip
PATHS = {"load_file", "data_path", "save_path", "layer_def", "layer_params", "test_out", "feature_path"}


def typed(values: Mapping[str, Any], runner: Runner) -> list[str]:
    """The command line for the given option values, by name; None, "" and empty lists are left out.

    Paths become absolute and are translated by the runner. Raises KeyError for a name the release has not.
    """
    words: list[str] = []
    for name, value in values.items():
        letter = TYPED[name]
        if value is None or value == "" or value == []:
            continue
        text = runner.path(Path(value).absolute()) if name in PATHS else _text(name, value)
        words += [letter, text] if len(letter) == 2 else [f"{letter}={text}"]
    return words


def _text(name: str, value: Any) -> str:
    if name.endswith("_range"):
        return _range(value)
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _range(value: str | Sequence[int]) -> str:
    if isinstance(value, str):
        return value
    return f"{value[0]}-{value[-1]}" if len(value) > 1 else str(value[0])
