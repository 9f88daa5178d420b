"""`build`: the untouched release, or a patched copy, and the companion become a module, with a record of what went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alexnet_archive.cli.shared import Between, GroupedCommand, emit_json, json_option, option, polite_stop, progress_bar
from alexnet_archive.errors import UserInputError

EPILOG = "Example: alexnet-archive build --flavour cpu"
FLAVOUR = click.Choice(["cpu", "cuda"])
PATH = click.Path(path_type=Path)
SANITIZERS = {"": "", "address": "address,undefined", "thread": "thread"}


@click.command(epilog=EPILOG, cls=GroupedCommand)
@option("--flavour", type=FLAVOUR, default="cpu", show_default=True, help="what it runs on", group="build")
@option(
    "--toolchain", default="host", show_default=True, metavar="NAME", help="`host`, a row of `toolchain list`, or `auto`",
    group="build",
)  # fmt: skip
@option("--arch", default=None, metavar="sm_NN,...", help="GPU architectures for cuda, or `auto`: those here", group="build")
@option(
    "--sanitize", is_flag=False, flag_value="address", default="", type=click.Choice(list(SANITIZERS)),
    metavar="[address|thread]", help="build with sanitizers: address (and undefined), or thread", group="build",
)  # fmt: skip
@option("--python2", default=None, metavar="PATH", help="Python 2.7 with NumPy, for toolchain host", group="build")
@option("--jobs", type=Between(1), default=None, help="compilers at a time [default: processors]", group="build")
@option("--force", is_flag=True, help="build although nothing has changed", group="build")
@option("--variant", default=None, metavar="NAME", help="build this variant, beside the original", group="variants")
@option(
    "--patch", "patches", type=PATH, multiple=True, metavar="FILE", group="variants",
    help="apply a unified diff to a copy of the release; again for more, in order",
)  # fmt: skip
@option(
    "--changed", type=PATH, default=None, metavar="DIR", group="variants",
    help="take the changed files in a folder laid out alike",
)  # fmt: skip
@option(
    "--fuzz", type=Between(0, 3), default=0, show_default=True, metavar="0-3", group="variants",
    help="let hunks move, and this many lines around them differ",
)  # fmt: skip
@option(
    "--companion", "switches", multiple=True, metavar="NAME", group="variants",
    help="switch our half: strict, tf32, no-peer, poison, reverse; again for more",
)  # fmt: skip
@option("--list", "listing", is_flag=True, help="show the original and its variants, and end", group="variants")
@option("--remove", default=None, metavar="NAME", help="remove a variant, and end", group="variants")
@json_option("print the build record as JSON")
def build(
    flavour: str, toolchain: str, arch: str | None, sanitize: str, python2: str | None, jobs: int | None, force: bool,
    variant: str | None, patches: tuple[Path, ...], changed: Path | None, fuzz: int, switches: tuple[str, ...],
    listing: bool, remove: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Compile the untouched release with the companion into a module, and prove that Python 2.7 imports it.

    The release is verified before and after. A second build of the same inputs does nothing. With --variant a patched copy is
    built beside the original, which stays as it is.
    """
    from alexnet_archive import assembly, paths
    from alexnet_archive.runs import open_runner

    if listing:
        _list(as_json)
        return
    toolchain, arch = _settled(flavour, toolchain, arch, python2)
    if remove is not None:
        place = assembly.remove(remove, flavour, toolchain, SANITIZERS[sanitize])
        emit_json({"removed": remove, "folder": str(place)}) if as_json else click.echo(f"removed {place}")
        return
    if variant is None and (patches or changed or switches or fuzz):
        raise UserInputError("what differs from the original is a variant", remedy="give it a name: --variant NAME")
    options = assembly.BuildOptions(flavour, toolchain, SANITIZERS[sanitize], python2, arch, jobs, force)
    paths.builds().mkdir(parents=True, exist_ok=True)
    runner = open_runner(toolchain, write=[paths.builds()])
    with polite_stop() as stop, progress_bar("building") as bar:
        if variant is None:
            record = assembly.build(options, runner=runner, progress=bar, stop=stop)
        else:
            wanted = assembly.Variant(variant, patches, changed, fuzz, switches)
            record = assembly.build_variant(options, wanted, runner=runner, progress=bar, stop=stop)
    if as_json:
        emit_json({**record.content, "fresh": record.fresh, "folder": str(record.folder)})
    else:
        _tell(record)


def _settled(flavour: str, toolchain: str, arch: str | None, python2: str | None) -> tuple[str, str | None]:
    """Toolchain and architectures as asked for. Raises UserInputError for what does not go together."""
    from alexnet_archive.toolchains import gpu

    if python2 is not None and toolchain != "host":
        raise UserInputError("--python2 belongs to --toolchain host: an image has its own", remedy="leave one of them out")
    if flavour == "cuda":
        return gpu.settle(toolchain, arch)
    if toolchain == "auto":
        raise UserInputError("--toolchain auto belongs to --flavour cuda", remedy="name a toolchain, or use host")
    if arch is not None:
        raise UserInputError("--arch belongs to --flavour cuda", remedy="leave it out, or add --flavour cuda")
    return toolchain, arch


def _list(as_json: bool) -> None:
    from alexnet_archive import assembly

    found = assembly.listed()
    if as_json:
        emit_json([vars(one) for one in found])
        return
    if not found:
        click.echo("nothing has been built: alexnet-archive build")
        return
    rows = [("name", "flavour", "toolchain", "built", "differs by", "")]
    for one in found:
        differs = ", ".join([*one.patches, *(f"companion {name}" for name in one.companion)]) or "nothing"
        flavour = one.flavour + (f" ({one.sanitize})" if one.sanitize else "")
        rows.append((one.name, flavour, one.toolchain, one.built[:16].replace("T", " "), differs, one.trouble or ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _patches(content: dict[str, Any]) -> int:
    return len(content["patches"]) + len(content.get("variant", {}).get("patches", ()))


def _tell(record: Any) -> None:
    content = record.content
    if not record.fresh:
        click.echo(f"nothing to do: {record.module} is the build of these inputs, made {content['built']}")
        return
    told = content.get("variant")
    for patch in told["patches"] if told else ():
        hunks = sum(len(row["hunks"]) for row in patch["files"])
        moved = sum(hunk["moved"] for row in patch["files"] for hunk in row["hunks"])
        more = f", {moved} moved" if moved else ""
        more += f", {len(patch['context'])} with less context" if patch["context"] else ""
        sizes = f"{_counted(len(patch['files']), 'file')}, {_counted(hunks, 'hunk')}{more}"
        click.echo(f"patch     {patch['name']} (sha256 {patch['sha256'][:16]}...): {sizes}")
    if told and told["companion"]:
        click.echo(f"companion {', '.join(told['companion'])}: {' '.join(f'{k}={v}' for k, v in told['switched'].items())}")
    if told:
        reused = f"{len(told['reused'])} objects of the original, which stays as it was"
        click.echo(f"reused    {reused if told['base'] else 'nothing: the original does not compile as it is'}")
    launches = sum(len(unit["launches"]) for unit in content["rewritten"])
    click.echo(f"module    {record.module} ({content['module']['size']:,} bytes, sha256 {content['module']['sha256'][:16]}...)")
    click.echo(f"release   tree {content['original']['tree']}, verified before and after, {_patches(content)} patches")
    click.echo(f"rewritten {launches} kernel launches in {len(content['rewritten'])} files (`diff source` shows them)")
    click.echo(f"compiler  {content['tools']['versions']['cxx']}, {len(content['warnings'])} warnings")
    click.echo(f"imported  Python {content['tools']['python2']['version']}, functions: {', '.join(content['functions'])}")
    suppliers = ", ".join(f"{name} {count}" for name, count in sorted(content["open_symbols"].items()))
    click.echo(f"open      {suppliers}")
    click.echo(f"record    {record.folder / 'build-record.json'}, {content['seconds']:.1f} s")
