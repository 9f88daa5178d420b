"""Where builds and the native engine run: on this machine, or in a toolchain's container."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_archive import paths
from alexnet_archive.errors import ToolchainError

if TYPE_CHECKING:
    from alexnet_archive.engines.base import Runner
    from alexnet_archive.engines.native import Installation


def open_runner(
    toolchain: str | None, *, read: Iterable[Path] = (), write: Iterable[Path] = (), gpus: Sequence[int] | None = None
) -> Runner:
    """A runner for `toolchain` (None or "host": this machine) that sees the given folders.

    In a container the folders have the names they have outside, so that paths inside checkpoints stay true; the release
    and the companion are always there to be read. Raises ContainerError, ToolchainError.
    """
    if toolchain in (None, "host"):
        from alexnet_archive.assembly import LocalRunner

        return LocalRunner()
    from alexnet_archive.toolchains import images, table
    from alexnet_archive.toolchains.container import Engine, Mount

    rows = table.load()
    row = rows.row(toolchain)
    engine = Engine.connect()
    image = images.find(engine, rows, row)
    if image is None:
        raise ToolchainError(
            f"the container image of {toolchain} has not been built", remedy=f"alexnet-archive toolchain image {toolchain}"
        )
    wanted = {Path(folder).absolute(): False for folder in write}
    for folder in (paths.original_source(), paths.house(), *read):
        wanted.setdefault(Path(folder).absolute(), True)
    mounts = [Mount(host, str(host), read_only) for host, read_only in sorted(wanted.items())]
    return images.runner(engine, image, mounts, gpus=gpus)


def open_installation(
    toolchain: str | None, *, flavour: str = "cpu", variant: str | None = None, read: Iterable[Path] = (),
    write: Iterable[Path] = (),
) -> Installation:  # fmt: skip
    """The finished build of a toolchain and flavour, or a variant beside it, ready to run; verifies the release first.

    Raises MissingOriginalError, FixityError, and BuildError when nothing has been built, or from another revision.
    """
    from alexnet_archive import archive, assembly
    from alexnet_archive.engines.native import Installation

    archive.verify_quick()
    record = assembly.find(flavour, toolchain or "host", variant=variant)
    # All GPUs or none: a container numbers those it is handed anew, while the options name this machine's numbers.
    gpus = () if flavour == "cuda" else None
    runner = open_runner(toolchain, read=[record.folder, *read], write=write, gpus=gpus)
    name = f"native {flavour} ({toolchain or 'host'})" + (f", variant {variant}" if variant else "")
    return Installation(
        source=record.source, module=record.module.parent, modules=paths.companion() / "python", python2=record.python2,
        runner=runner, environment=record.environment, name=name,
    )  # fmt: skip
