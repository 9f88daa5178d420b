"""`pip install .` (not editable) works as well as a checkout: the built wheel in an empty environment, away from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a fresh environment that holds the wheel and its dependencies, nothing of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    root = Path(__file__).resolve().parents[2]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(root)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    python = folder / "env" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    # Compiling every module of every dependency would take longer than all else here.
    subprocess.run([*pip, "--python", str(python), "install", "--no-compile", str(wheel)], check=True)
    return folder / "env" / "bin" / "alexnet-archive"


def outside() -> dict[str, str]:
    """The environment without what leads back to this checkout."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run(command: Path, folder: Path, *words: str) -> str:
    env = {**outside(), "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}
    done = subprocess.run([str(command), *words], capture_output=True, text=True, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_data_files_travel_with_the_wheel(installed: Path, tmp_path: Path) -> None:
    assert json.loads(run(installed, tmp_path, "layers", "show", "demo", "--json"))
    assert "FROM" in run(installed, tmp_path, "toolchain", "render", "cpu")
    assert "145" in run(installed, tmp_path, "notebook")
    assert json.loads(run(installed, tmp_path, "doctor", "--json"))
    where = subprocess.run(
        [str(installed.parent / "python"), "-c", "from alexnet_archive.paths import *; print(house()); print(companion())"],
        capture_output=True, text=True, cwd=tmp_path, env=outside(),
    ).stdout.splitlines()  # fmt: skip
    assert "site-packages" in where[0] and (Path(where[1]) / "CMakeLists.txt").is_file()


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_an_installed_package_trains(installed: Path, train_words: list[str], tmp_path: Path) -> None:
    out = run(installed, tmp_path, *train_words, "--epochs", "1", "--save", str(tmp_path / "runs"))
    assert "1.3..." in out and "finished" in out


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_an_installed_package_brings_the_exhibits_page_where_it_was_built(installed: Path, root: Path, tmp_path: Path) -> None:
    built = root / "exhibit" / "dist"
    code = "from alexnet_archive.paths import exhibit_page; print(exhibit_page())"
    python = str(installed.parent / "python")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=outside(), check=True)
    page = Path(done.stdout.strip())
    assert "site-packages" in str(page)
    if not (built / "index.html").is_file():
        pytest.skip("the page has not been built here: make exhibit")
    names = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()} == names
