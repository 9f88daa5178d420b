"""Container cases: folders under cases/, each with a `verify` that runs inside the image and judges it from there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.toolchains import images
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.container import OWNER_LABEL, Engine, Mount, owner
from alexnet_archive.toolchains.images import BuiltImage

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(1800)]
CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/verify"))
NOBODY = 65534


@pytest.fixture
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ax-case-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder


def test_there_are_cases() -> None:
    assert [case.name for case in CASES] == ["companion", "sandbox", "toolchain"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(engine: Engine, image: Callable[[str], BuiltImage], toolchain: str, case: Path, scratch: Path) -> None:
    row = tables.load().row(toolchain)
    mounts = [
        Mount(case, "/alexnet/case"),
        Mount(paths.patches(), "/alexnet/patches"),
        Mount(paths.docker(), "/alexnet/docker"),
        Mount(scratch, "/alexnet/build", read_only=False),
    ]
    runner = images.runner(engine, image(toolchain), mounts)
    if os.geteuid() == 0:
        runner.user = f"{NOBODY}:{NOBODY}"
    lines: list[str] = []
    environment = {"TOOLCHAIN": row.name, "FLAVOURS": " ".join(row.flavours), "SM": " ".join(map(str, row.sm))}
    status = runner.run(["/alexnet/case/verify"], cwd=scratch, environment=environment, on_line=lines.append)
    assert status == 0, "\n".join(lines[-40:])
    assert lines[-1] == f"verified {case.name}"
    assert not [c for c in engine.client.containers.list(all=True) if c.labels.get(OWNER_LABEL) == owner()]
