"""`export`: a checkpoint for today's frameworks."""

from __future__ import annotations

from pathlib import Path

import click

from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option, option, out_option


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive export runs/ConvNet__2026-01-31_12.00.00 --to safetensors")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@option(
    "--to",
    "kind",
    type=click.Choice(["npz", "safetensors", "onnx"]),
    default="npz",
    show_default=True,
    help="format",
    group="output",
)
@out_option(None, "file to write (default: beside you)")
@option("--momentum", is_flag=True, help="also the momentum increments (npz and safetensors)", group="output")
@json_option()
def export(checkpoint: Path, kind: str, out: Path | None, momentum: bool, as_json: bool) -> None:
    """Write the weights of CHECKPOINT as npz or safetensors, or the whole inference graph as onnx."""
    from alexnet_archive import checkpoints, files

    if out is not None:
        files.require_writable(out)
    loaded = checkpoints.load(checkpoint)
    path = out or Path(f"alexnet-archive-{loaded.file_name}.{kind}")
    checkpoints.export(loaded, path, kind, momentum=momentum)
    if as_json:
        emit_json({"path": str(path), "format": kind, "bytes": path.stat().st_size})
    else:
        click.echo(f"{path} ({path.stat().st_size:,} bytes)")
