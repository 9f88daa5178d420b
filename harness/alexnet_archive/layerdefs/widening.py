"""The output layer of a definition, the one below the softmax whose cost is measured, and the same net with other classes.

Checked against: layer-language sections 2.19 (costs) and 1.1 (dialect), and in the tests against the parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from alexnet_archive import files
from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs.copying import SUFFIX, CopiedNet

Sections = Mapping[str, Mapping[str, str]]


def output_layer(sections: Sections) -> str | None:
    """The fully connected layer that a logistic-regression cost reads through its softmax; None unless there is one."""
    found = {_below(sections, name) for name, keys in sections.items() if keys.get("type") == "cost.logreg"}
    only = found.pop() if len(found) == 1 else None
    return only if only is not None and sections[only].get("outputs", "").isdecimal() else None


def _below(sections: Sections, cost: str) -> str | None:
    softmax = sections[cost].get("inputs", "").split(",")[-1].strip()
    layer = sections.get(softmax, {}).get("inputs", "").strip()
    plain = sections.get(softmax, {}).get("type") == "softmax" and sections.get(layer, {}).get("type") == "fc"
    return layer if plain else None


def with_outputs(data: bytes, layer: str, outputs: int) -> bytes:
    """A definition with another number of units in one layer of it, everything else as it stands, to the byte."""
    header = re.search(rb"(?m)^\[" + re.escape(layer.encode("latin-1")) + rb"\]", data)
    assert header is not None  # the parser has seen it
    start = header.end()  # what may follow it on its line: blanks, a comment
    return data[:start] + re.sub(rb"(?mi)^outputs\s*[=:][^\r\n]*", b"outputs=%d" % outputs, data[start:], count=1)


def write_widened(definition: Path, parameters: Path, layer: str, classes: int, folder: Path) -> CopiedNet:
    """Write a net with `classes` units in its output layer into `folder`, as NAME-N-classes.cfg with its parameters.

    The same files are left as they are; raises UserInputError for others of that name, WriteError.
    """
    net = re.sub(r"-\d+-classes$", "", definition.name.removesuffix(SUFFIX))
    name, head = f"{net}-{classes}-classes", f"# {net} with {classes} classes\n".encode()
    made = CopiedNet(folder / f"{name}{SUFFIX}", folder / f"{name}.params{SUFFIX}")
    texts = {
        made.parameters: head + parameters.read_bytes(),
        made.definition: head + with_outputs(definition.read_bytes(), layer, classes),
    }
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text:
            raise UserInputError(
                f"{path} is another net", path=path, expected=f"{definition.name} with {classes} classes",
                remedy=f"train it with --layers {path}, or save elsewhere",
            )  # fmt: skip
    files.make_folder(folder)
    for path, text in texts.items():  # the definition last: where it stands, its parameters do
        if not path.exists():
            files.write_bytes(path, text)
    return made
