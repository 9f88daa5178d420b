"""`layers explain`: the layer language from the tables that the parser reads by."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from alexnet_archive.cli.shared import GroupedCommand, emit_json, json_option

WIDTH = 100


@click.command(cls=GroupedCommand, epilog="Example: alexnet-archive layers explain conv partialSum")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.argument("key", metavar="[KEY]", required=False)
@json_option("print the same as JSON")
def explain(type_name: str | None, key: str | None, as_json: bool) -> None:
    """Explain a layer TYPE, one KEY of it, or a topic; without TYPE, list them all."""
    from alexnet_archive.layerdefs.language import layer_kinds, topics
    from alexnet_archive.layerdefs.language.describe import explain as facts_of

    if type_name is None:
        listed = {
            "types": {name: kind.does for name, kind in layer_kinds().items()},
            "topics": {name: topic.does for name, topic in topics().items()},
        }
        emit_json(listed) if as_json else _print_list(listed)
        return
    facts = facts_of(type_name, key)
    if as_json:
        emit_json(facts)
    elif "topic" in facts:
        _print_topic(facts)
    elif key is not None:
        for one in facts["keys"]:
            _print_key(one)
    else:
        _print_type(facts)


def _print_list(listed: dict[str, dict[str, str]]) -> None:
    for heading, rows in listed.items():
        click.secho(heading, bold=True)
        width = max(map(len, rows)) + 2
        for name, does in rows.items():
            click.echo(f"  {name:{width}}{does}")
    click.echo("more: alexnet-archive layers explain TYPE [KEY]")


def _paragraph(text: str, indent: str = "") -> None:
    for part in text.split("\n\n"):
        click.echo(textwrap.fill(" ".join(part.split()), WIDTH, initial_indent=indent, subsequent_indent=indent))


def _print_topic(facts: dict[str, Any]) -> None:
    click.secho(facts["topic"], bold=True)
    _paragraph(facts["does"])
    _paragraph(facts["text"])
    if not facts["rows"]:
        return
    headings = list(facts["rows"][0])
    rows = [headings, *([row[h] for h in headings] for row in facts["rows"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(headings))]
    click.echo()
    for row in rows:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _print_type(facts: dict[str, Any]) -> None:
    click.secho(facts["type"], bold=True)
    for text in (facts["does"], facts["about"]):
        if text:
            _paragraph(text)
    click.echo(
        f"inputs: {facts['inputs']}; output: {facts['outputs']}; section in the parameter file: {facts['parameter_section']}"
    )
    for file in ("definition", "parameter"):
        keys = [key for key in facts["keys"] if key["file"] == file]
        if keys:
            click.secho(f"\nkeys of the {file} file", bold=True)
        if file == "parameter":
            for note in facts["parameter_notes"].values():
                _paragraph(note, "  ")
        for key in keys:
            what = "required" if key["required"] else f"default {key['default']}"
            only = f", only where {key['only']}" if key["only"] else ""
            click.echo(f"  {click.style(key['name'], bold=True)} ({key['kind']}, {what}{only})")
            _paragraph(key["means"] + (f" Rule: {key['rule']}." if key["rule"] else ""), "      ")
    for heading, text in (("example", facts["example"]), ("its parameters", facts["parameters_example"])):
        if text:
            click.secho(f"\n{heading}", bold=True)
            click.echo(textwrap.indent(text, "  "))


def _print_key(key: dict[str, Any]) -> None:
    click.secho(key["name"], bold=True)
    _paragraph(key["means"])
    rows = {
        "file": f"{key['file']} file",
        "value": key["kind"],
        "default": key["default"],
        "rule": key["rule"],
        "only where": key["only"],
        "example": key["example"].replace("\n", "  "),
    }
    for heading, text in rows.items():
        if text:
            click.echo(textwrap.fill(text, WIDTH, initial_indent=f"  {heading:12}", subsequent_indent=" " * 14))
