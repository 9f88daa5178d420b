"""One scratch archive for the whole tier: the stand-in acquired, built for the CPU, and data it can train on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import batches, paths
from tests import warm
from tests.conftest import ROOT, find_python2

STANDIN = ROOT / "tests" / "standin"
COMMAND = Path(sys.executable).parent / "alexnet-archive"


def require_native() -> None:
    """Skip with a reason where this tier cannot run, fail where it must (ALEXNET_ARCHIVE_REQUIRE=native, as CI sets)."""
    missing = [name for name in ("g++", "nm", "ldd") if shutil.which(name) is None]
    if find_python2() is None:
        missing.append("python2.7 with NumPy")
    if missing:
        reason = "the native tier needs " + ", ".join(missing)
        if "native" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)


def command(*arguments: str | Path, root: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `alexnet-archive` as a user would."""
    environment = {**os.environ, paths.ROOT_VARIABLE: str(root), "ALEXNET_ARCHIVE_PYTHON2": find_python2() or ""}
    environment.pop("ALEXNET_ARCHIVE_SEED", None)
    done = warm.run([*map(str, arguments)], environment=environment, cwd=root, timeout=500)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One test process at a time."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A scratch folder that all workers of one test run see."""
    base = factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return folder / "native-tier"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive root with the stand-in acquired and built, once for all workers; the build's output is in `build.txt`."""
    require_native()
    shared = shared_folder(tmp_path_factory)
    shared.mkdir(exist_ok=True)
    root = shared / "archive"
    with locked(shared / "archive.lock"):
        if not (root / "build.txt").is_file():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            command("acquire", "--from", STANDIN, "--first-seen", root=root)
            done = command("build", "--flavour", "cpu", root=root)
            (root / "build.txt").write_text(done.stdout)
    return root


@pytest.fixture
def root(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built root, also for code of this process."""
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(built))
    return built


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of JPEG batches, 24x24: six batches to train on, two to test, four classes of plain colours."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("jpeg-data")
    rng = np.random.default_rng(3)
    colours = rng.integers(40, 215, (4, 3))
    import io

    def batch(cases: int) -> tuple[list[bytes], list[tuple[int, int]], list[tuple[str, int]]]:
        strings, labels = [], []
        for case in range(cases):
            label = case % 4
            pixels = np.clip(colours[label] + rng.normal(0, 12, (24, 24, 3)), 0, 255).astype(np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=92)
            strings.append(stream.getvalue())
            labels.append((f"n{label:08d}", label))
        return strings, [(24, 24)] * cases, labels

    mean = np.full((3 * 24 * 24, 1), 128, np.float32)
    batches.write_meta(folder, {
        "num_vis": 3 * 24 * 24, "data_mean": mean, "color_pca": [np.ones(3, np.float32), np.eye(3, dtype=np.float32)],
        "label_names": ["a", "b", "c", "d"], "batch_size": 40, "label_offset": 0, "dp_type": "inet-lr-cropped-jpeg",
    })  # fmt: skip
    for number in (1, 2, 3, 4, 5, 6, 2000, 2001):
        batches.write_batch(batches.batch_path(folder, number), batch(40))
    return folder


@pytest.fixture
def second(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Another root, elsewhere: what is compiled there once serves every variant, one test at a time."""
    shared = shared_folder(tmp_path_factory)
    root = shared / "elsewhere" / "deeper"
    with locked(shared / "elsewhere.lock"):
        root.mkdir(parents=True, exist_ok=True)
        yield root


@pytest.fixture
def variant(second: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """`variant(file, text)` makes `second` an archive whose release has one file replaced."""

    def make(name: str, text: str) -> Path:
        tree = tmp_path / "tree"
        shutil.copytree(STANDIN, tree)
        (tree / name).write_text(text)
        replace = ["--replace"] if (second / "original").exists() else []
        command("acquire", "--from", tree, "--first-seen", *replace, root=second)
        return second

    return make
