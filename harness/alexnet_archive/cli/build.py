"""`build`: the untouched release and the companion become a module, with a record of everything that went in."""

from __future__ import annotations

from typing import Any

import click

from alexnet_archive.cli.shared import Between, emit_json, polite_stop, progress_bar
from alexnet_archive.errors import UserInputError

EPILOG = "Example: alexnet-archive build --flavour cpu"
SANITIZERS = {"": "", "address": "address,undefined", "thread": "thread"}


@click.command(epilog=EPILOG)
@click.option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="what it runs on")
@click.option(
    "--toolchain", default="host", show_default=True, metavar="NAME", help="`host`, a row of `toolchain list`, or `auto`"
)
@click.option("--arch", default=None, metavar="sm_NN,...", help="GPU architectures for cuda, or `auto`: those here")
@click.option(
    "--sanitize", is_flag=False, flag_value="address", default="", type=click.Choice(list(SANITIZERS)),
    metavar="[address|thread]", help="build with sanitizers: address (and undefined), or thread",
)  # fmt: skip
@click.option("--python2", default=None, metavar="PATH", help="Python 2.7 with NumPy, for toolchain host")
@click.option("--jobs", type=Between(1), default=None, help="compilers at a time [default: processors]")
@click.option("--force", is_flag=True, help="build although nothing has changed")
@click.option("--json", "as_json", is_flag=True, help="print the build record as JSON")
def build(
    flavour: str, toolchain: str, arch: str | None, sanitize: str, python2: str | None, jobs: int | None, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Compile the untouched release with the companion into a module, and prove that Python 2.7 imports it.

    The release is verified before and after. A second build of the same inputs does nothing.
    """
    from alexnet_archive import assembly, paths
    from alexnet_archive.runs import open_runner
    from alexnet_archive.toolchains import gpu

    if python2 is not None and toolchain != "host":
        raise UserInputError("--python2 belongs to --toolchain host: an image has its own", remedy="leave one of them out")
    if flavour == "cuda":
        toolchain, arch = gpu.settle(toolchain, arch)
    elif toolchain == "auto":
        raise UserInputError("--toolchain auto belongs to --flavour cuda", remedy="name a toolchain, or use host")
    elif arch is not None:
        raise UserInputError("--arch belongs to --flavour cuda", remedy="leave it out, or add --flavour cuda")
    options = assembly.BuildOptions(flavour, toolchain, SANITIZERS[sanitize], python2, arch, jobs, force)
    paths.builds().mkdir(parents=True, exist_ok=True)
    runner = open_runner(toolchain, write=[paths.builds()])
    with polite_stop() as stop, progress_bar("building") as bar:
        record = assembly.build(options, runner=runner, progress=bar, stop=stop)
    if as_json:
        emit_json({**record.content, "fresh": record.fresh, "folder": str(record.folder)})
    else:
        _tell(record)


def _tell(record: Any) -> None:
    content = record.content
    if not record.fresh:
        click.echo(f"nothing to do: {record.module} is the build of these inputs, made {content['built']}")
        return
    launches = sum(len(unit["launches"]) for unit in content["rewritten"])
    click.echo(f"module    {record.module} ({content['module']['size']:,} bytes, sha256 {content['module']['sha256'][:16]}...)")
    click.echo(f"release   tree {content['original']['tree']}, verified before and after, {len(content['patches'])} patches")
    click.echo(f"rewritten {launches} kernel launches in {len(content['rewritten'])} files (`diff source` shows them)")
    click.echo(f"compiler  {content['tools']['versions']['cxx']}, {len(content['warnings'])} warnings")
    click.echo(f"imported  Python {content['tools']['python2']['version']}, functions: {', '.join(content['functions'])}")
    suppliers = ", ".join(f"{name} {count}" for name, count in sorted(content["open_symbols"].items()))
    click.echo(f"open      {suppliers}")
    click.echo(f"record    {record.folder / 'build-record.json'}, {content['seconds']:.1f} s")
