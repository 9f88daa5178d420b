"""A tiny data folder made by `convert` from pictures drawn here, and a way to run the command as a user types it."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import typed, warm

DATA = Path(__file__).resolve().parents[1] / "data"
SIDE, BORDER = 20, 2


def draw(rng: np.random.Generator, kind: int) -> Image.Image:
    """One of four patterns that a mirror does not turn into another, with noise and a random phase."""
    y, x = np.mgrid[:SIDE, :SIDE] + rng.uniform(0, 6, (2, 1, 1))
    wave = (np.sin(0.9 * x), np.sin(0.9 * y), np.sin(0.9 * x) * np.sin(0.9 * y), np.sin(2.2 * y))[kind]
    colour = rng.uniform(0.4, 1, 3)
    pixels = (wave[..., None] * 0.4 + 0.5) * colour + rng.normal(0, 0.05, (SIDE, SIDE, 3))
    return Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes, three training batches of 64 and one validation batch, 20 pixels square."""
    from alexnet_archive.batches.convert import ConvertOptions, convert

    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(5)
    for part, count in (("train", 48), ("val", 12)):
        for kind in range(4):
            target = folder / "pictures" / part / f"stripes{kind}"
            target.mkdir(parents=True)
            for i in range(count):
                draw(rng, kind).save(target / f"{i}.jpg", quality=92)
    convert(folder / "pictures", folder / "batches", ConvertOptions(size=SIDE, batch_size=64, seed=1))
    return folder / "batches"


def train_tiny(data: Path, save: Path, **options: Any) -> Path:
    """Train the tiny net from Python; the run's folder."""
    import alexnet_archive as aa

    given = {"params": DATA / "tiny.params.cfg", "minibatch": 16, "seed": 7, "crop_border": BORDER, **options}
    folder = aa.train(DATA / "tiny.cfg", data=data, save=save, **given).folder
    assert folder is not None
    return folder


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> typed.Told:
    """Run the command in this process; (exit code, standard output, standard error)."""
    return functools.partial(typed.told, capsys)


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str, check: int | None = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        done = warm.run(words, environment={**os.environ, "COLUMNS": "160"}, timeout=timeout)
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def train_words(tiny_data: Path) -> list[str]:
    """The words of a training run of six batches that saves after every batch."""
    return [
        "train", "--layers", str(DATA / "tiny.cfg"), "--params", str(DATA / "tiny.params.cfg"), "--data", str(tiny_data),
        "--minibatch", "16", "--epochs", "2", "--test-freq", "1", "--seed", "7", "--crop-border", str(BORDER),
        "--color-noise", "0.05",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"folder": tmp_path_factory.mktemp("trained")}


@pytest.fixture
def run_folder(
    trained: dict[str, Path], train_words: list[str], command: Callable[..., subprocess.CompletedProcess[str]]
) -> Path:
    """A folder with one run of 36 batches and its log; trained once, for tests that only read it."""
    folder = trained["folder"]
    if not list(folder.glob("ConvNet__*")):
        command(*train_words, "--epochs", "12", "--test-freq", "6", "--save", str(folder), "--log", str(folder / "log"))
    return folder
