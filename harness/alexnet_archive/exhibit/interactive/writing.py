"""From records to the files of an exhibit: data/exhibit.json, the notebook, the network, pictures, and the built page."""

from __future__ import annotations

import datetime
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import paths
from alexnet_archive.checkpoints import Checkpoint, Inspection, inspection
from alexnet_archive.errors import MissingToolError, UserInputError
from alexnet_archive.exhibit.interactive import curator, network, notebook
from alexnet_archive.exhibit.interactive.history import Strips, epoch_batches, film_facts, history
from alexnet_archive.exhibit.interactive.material import Material, Shown
from alexnet_archive.exhibit.interactive.png import png_bytes
from alexnet_archive.exhibit.interactive.single import single_page
from alexnet_archive.exhibit.interactive.target import Target
from alexnet_archive.exhibit.predictions import looking, softmax_name
from alexnet_archive.files import json_text

FORMAT = 1
TEMPLATE = Path(__file__).parent / "exhibit.toml"
Files = dict[str, bytes]


@dataclass(frozen=True)
class Wishes:
    """What a command line says of the page; the curator's exhibit.toml goes before it. None: the page's own default."""

    title: str | None = None
    languages: tuple[str, ...] | None = None
    kiosk: bool = False

    def facts(self) -> dict[str, Any]:
        languages = None if self.languages is None else list(self.languages)
        return {"title": self.title, "languages": languages, "kiosk": self.kiosk}


def built_page() -> Files:
    """The files of the built front end, by their paths. Raises MissingToolError where it has not been built."""
    folder = paths.exhibit_page()
    if not (folder / "index.html").is_file():
        raise MissingToolError(
            "the page of the exhibit has not been built", path=folder,
            remedy="in a checkout: make exhibit (an installed package brings it)",
        )  # fmt: skip
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def judge(wishes: Wishes) -> Files:
    """The built page, if it speaks the languages that are wished for. Raises MissingToolError, UserInputError."""
    page = built_page()
    known = sorted(match[1] for name in page if (match := re.fullmatch(r"texts/([a-z-]+)\.json", name)))
    unknown = [language for language in wishes.languages or () if language not in known]
    if unknown or (wishes.languages is not None and not wishes.languages):
        raise UserInputError(
            f"the exhibit has no texts in {', '.join(unknown) or 'no language'}", expected=", ".join(known),
            found=", ".join(unknown) or None, remedy="name some of those with --lang, separated by commas",
        )  # fmt: skip
    return page


def write(target: Target, page: Mapping[str, bytes], checkpoint: Checkpoint, material: Material, wishes: Wishes) -> Path:
    """Write the exhibit of a checkpoint into a target that was claimed; `page` is the built one. Returns the page.

    Raises ExportError for a network that ONNX cannot express, UserInputError for one that gives no answers, WriteError.
    """
    graph = inspection(checkpoint.layers, material.mean)
    files: Files = {"data/net.onnx": graph.model}
    facts = _exhibit(checkpoint, graph, material, wishes, files)
    files["data/exhibit.json"] = json_text(facts).encode()
    files["data/notebook.json"] = json_text(notebook.notebook()).encode()
    template = TEMPLATE.read_text(encoding="utf-8")
    if target.single:
        text, own = curator.read(target.folder) or (template, {})
        return target.write_single(single_page({**page, curator.NAME: text.encode(), **files, **own}))
    return target.fill({**page, **files}, template)


def _exhibit(checkpoint: Checkpoint, graph: Inspection, material: Material, wishes: Wishes, files: Files) -> dict[str, Any]:
    weights = {name: np.asarray(checkpoint.layers[name]["weights"][0]) for name in looking(checkpoint.layers)}
    film = material.film if material.film and material.film.frames else None
    if film is not None and film.frames[0].filters.keys() != weights.keys():
        film = None
    strips = Strips(weights, film)
    left_out = [{"what": what, "why": why} for what, why in material.left_out]
    if film is None:
        left_out.append({"what": "film", "why": "the run kept no film of its training"})
    if not checkpoint.test_outputs:
        left_out.append({"what": "history", "why": "the run has made no test"})
    pictures = [*material.pictures, *(material.asked if film else ())]
    return {
        "format": FORMAT,
        "defaults": wishes.facts(),
        "made": {"date": datetime.date.today().isoformat(), "version": importlib.metadata.version("alexnet-archive")},
        "net": _net(checkpoint, graph, material, strips, weights, files),
        "pictures": [_picture(index, one, files) for index, one in enumerate(pictures)],
        "photographs": [_photograph(index, one, files) for index, one in enumerate(material.photographs)],
        "patches": [
            {"layer": name, "strongest": [None if one is None else vars(one) for one in strongest]}
            for name, strongest in material.patches.items()
        ],
        "history": history(checkpoint),
        "film": None if film is None else film_facts(film, epoch_batches(checkpoint), len(material.pictures), strips, files),
        "release": notebook.release(),
        "left_out": left_out,
    }


def _net(
    checkpoint: Checkpoint, graph: Inspection, material: Material, strips: Strips, weights: Mapping[str, NDArray[np.float32]],
    files: Files,
) -> dict[str, Any]:  # fmt: skip
    layers, answer = checkpoint.layers, softmax_name(checkpoint.layers)
    boxed, switched = network.boxes(layers, graph), network.switches(layers, graph)
    for box in boxed:
        if box["name"] in weights:
            box["filters"] = strips.strip(box["name"], "now", weights[box["name"]], files)
    classes = int(layers[answer]["outputs"])
    named = [*material.names, *(f"class {k + 1}" for k in range(len(material.names), classes))][:classes]
    batches = len(checkpoint.train_outputs)
    return {
        "name": re.sub(r"\.cfg$", "", Path(str(checkpoint.options.get("layer_def") or "")).name),
        "kind": network.kind(layers, graph.side, classes),
        "trained": {"batches": batches, "epochs": batches / epoch_batches(checkpoint)},
        "parameters": sum(box["parameters"] for box in boxed),
        "multiply_adds": network.multiply_adds(layers),
        "input": {
            "name": graph.picture, "side": graph.side, "stored": material.stored, "views": [vars(v) for v in material.views],
        },
        "classes": [{"name": name, "unused": index >= len(material.names)} for index, name in enumerate(named)],
        "answer": answer,
        "layers": boxed,
        "devices": network.devices(boxed, switched, answer),
        "crossings": network.crossings(boxed, layers),
        "switches": switched,
    }  # fmt: skip


def _picture(index: int, picture: Shown, files: Files) -> dict[str, Any]:
    file = f"data/pictures/{index:04d}.png"
    files[file] = png_bytes(picture.pixels)
    return {
        "file": file, "side": picture.pixels.shape[-1], "truth": picture.truth, "shown": picture.offered,
        "credit": picture.credit, "photograph": picture.photograph,
    }  # fmt: skip


def _photograph(index: int, photograph: Any, files: Files) -> dict[str, Any]:
    file = f"data/photographs/{index:02d}.jpg"
    files[file] = photograph.jpeg
    return {"file": file, **{key: value for key, value in vars(photograph).items() if key != "jpeg"}}
