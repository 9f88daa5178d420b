"""The interactive exhibit of a run: pictures and the strongest patches of its filters are looked for, then it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_archive import batches, checkpoints
from alexnet_archive.batches import photographs as bundled
from alexnet_archive.batches.crops import Crop, nine_views, ten_views
from alexnet_archive.batches.provider import PictureProvider
from alexnet_archive.checkpoints import Checkpoint, film
from alexnet_archive.errors import CheckpointError, ExportError, MissingToolError, UserInputError
from alexnet_archive.exhibit.predictions import looking
from alexnet_archive.runs.choosing import choose
from alexnet_archive.runs.filming import labels_of, pixels_of
from alexnet_archive.runs.opened import OpenedRun, open_run
from alexnet_archive.runs.pictures import data_folder, picture_provider
from alexnet_archive.runs.request import Request
from alexnet_archive.runs.sources import PHOTOGRAPHS, Say, photographs_for

if TYPE_CHECKING:
    from alexnet_archive.exhibit.interactive import Material, Photograph, Shown, Strongest, Wishes

OFFERED = 24
"""Pictures that visitors can choose from, at most; as many of each class."""
LOOKED_AT = 640
"""Pictures among which the strongest patches are looked for, at most."""
RESPONSES = 256 << 20
"""Bytes of responses held at a time."""
PHOTOGRAPH_QUALITY = 88


def exhibit_network(
    checkpoint_path: Path, out: Path, *, data: str | Path | None = None, wishes: Wishes | None = None, single: bool = False,
    say: Say = lambda text: None, leave_out: Callable[[str, str], None] = lambda what, why: None, match_classes: bool = False,
) -> Path:  # fmt: skip
    """Write the interactive exhibit of a run into the folder `out`, or with `single` into the file `out`. Returns the page.

    `data` is a folder of batch files, `photographs` for the built-in ones, by default the run's own. Where that is not there
    the pictures of the run's film take its place, and `leave_out` (what, why) is told. `match_classes` as in a request.
    exhibit.toml beside the page is judged, and nothing is computed before `out` has been tried. Raises CheckpointError,
    UserInputError, ExportError, MissingToolError for a page that was not built, WriteError.
    """
    from alexnet_archive.exhibit import interactive
    from alexnet_archive.exhibit.interactive.writing import judge

    checkpoints.require_onnx()
    wishes = wishes or interactive.Wishes()
    page = judge(wishes)
    if (checkpoint_path / interactive.MARKER).exists():
        raise CheckpointError(
            f"{checkpoint_path} is an exhibit, not a run", path=checkpoint_path,
            remedy="the exhibit is named first, the run that it is made of with --checkpoint",
        )  # fmt: skip
    checkpoint = checkpoints.load(checkpoint_path)
    target = interactive.Target(out, single)
    interactive.read_curator(target.folder)
    target.claim()
    material = gather(checkpoint, checkpoint_path, data, say, match_classes)
    for what, why in material.left_out:
        leave_out(what, why)
    try:
        return interactive.write(target, page, checkpoint, material, wishes)
    except ExportError as error:
        error.remedy = error.remedy or f"a page of figures needs no such graph: exhibit {checkpoint_path} --out PAGE"
        raise


def gather(
    checkpoint: Checkpoint, path: Path, data: str | Path | None, say: Say, match_classes: bool = False
) -> Material:
    """Everything an exhibit needs besides the checkpoint; from the film alone where the data are not here."""
    kept = _film(checkpoint, say)
    if str(data) == PHOTOGRAPHS:
        data = photographs_for(None, path, None, say)
    picture_provider(checkpoint)
    try:
        folder = data_folder(checkpoint, data)
    except CheckpointError as error:
        if data is not None or kept is None or not kept.mean.size:
            raise
        return _without_data(checkpoint, kept, error)
    request = Request(
        resume=path, data=folder if data else None, multiview=False, test_only=True, seed=0, match_classes=match_classes
    )
    with open_run(request, training=False, checkpoint=checkpoint) as run:
        for notice in run.joint.notices:
            say(notice)
        return _with_data(run, kept, folder)


def _film(checkpoint: Checkpoint, say: Say) -> film.Film | None:
    try:
        return film.of(checkpoint)
    except CheckpointError as error:
        say(f"no film: {error.message}, {error.found}")
        return None


def _without_data(checkpoint: Checkpoint, kept: film.Film, error: CheckpointError) -> Material:
    from alexnet_archive.exhibit.interactive import Material

    side, border = kept.mean.shape[-1], int(checkpoint.options.get("crop_border") or 0)
    why = f"the data folder {error.path} is not here: name it with --data"
    names = tuple(checkpoint.extension.get("label_names") or ())
    credited = _Credited(names)
    return Material(
        mean=kept.mean, stored=side + 2 * border, views=_views(checkpoint, border), names=names,
        photographs=credited.photographs, film=kept, asked=credited.film(kept, offered=True),
        left_out=(("pictures", f"{why}; those of the film take their place"), ("patches", why)),
    )  # fmt: skip


def _views(checkpoint: Checkpoint, border: int) -> tuple[Any, ...]:
    """The views of the network's provider, the centre first."""
    from alexnet_archive.exhibit.interactive import View

    every = nine_views(border) if "cifar" in str(checkpoint.options.get("dp_type")) else ten_views(border)
    centre = Crop(border, border)
    places = [centre, *(one for one in every if one != centre)] if border else [centre]
    return tuple(View(one.x, one.y, one.flip) for one in places)


def _with_data(run: OpenedRun, kept: film.Film | None, folder: Path) -> Material:
    from alexnet_archive.exhibit.interactive import Material

    test, checkpoint = run.data.test, run.checkpoint
    assert checkpoint is not None
    if not isinstance(test, PictureProvider):
        raise UserInputError(
            "there are no test pictures", path=folder, remedy="name a folder with batches from 1000 with --data"
        )
    whole, labels = _stored(run, test)
    classes = len(set(labels) - {-1}) or 1
    offered = choose(whole, labels, OFFERED // classes * classes or OFFERED)
    found, patches = _strongest(run, test, whole)
    order = list(dict.fromkeys([*offered, *found]))
    place = {picture: index for index, picture in enumerate(order)}
    credited = _Credited(run.data.label_names)
    pictures = tuple(credited.shown(whole[one], labels[one], index < len(offered)) for index, one in enumerate(order))
    patched = {
        name: tuple(None if one is None else replace(one, picture=place[one.picture]) for one in strongest)
        for name, strongest in patches.items()
    }
    return Material(
        mean=test.mean, stored=test.side, views=_views(checkpoint, test.border), names=tuple(run.data.label_names),
        pictures=pictures, photographs=credited.photographs, patches=patched, film=kept,
        asked=credited.film(kept, offered=False),
    )  # fmt: skip


def _stored(run: OpenedRun, test: PictureProvider) -> tuple[NDArray[np.uint8], list[int]]:
    """The pictures (N, 3, side, side) of the first test batch as they are stored, and their classes."""
    options = replace(test.options, multiview=False, crop_border=0)
    name = run.values["dp_type"]
    with batches.open_provider(name, test.folder, test.batch_range[:1], test=True, options=options) as provider:
        batch = provider.next()
        return pixels_of(provider, batch.matrices[0][:, :LOOKED_AT]), labels_of(batch)[:LOOKED_AT]


def _strongest(
    run: OpenedRun, test: PictureProvider, whole: NDArray[np.uint8]
) -> tuple[list[int], dict[str, tuple[Strongest | None, ...]]]:
    """The pictures with the strongest patches, and by layer the patch of every filter that looks at the picture."""
    layers, names = run.engine.layers, looking(run.engine.layers)
    if not names:
        return [], {}
    border, side = test.border, test.inner
    cut = whole[:, :, border : border + side, border : border + side]
    best = {name: _Best(layers[name]) for name in names}
    behind = {layer["src_layer"]: name for name, layer in layers.items() if layer.get("src_layer")}
    step = max(1, RESPONSES // (4 * sum(int(layers[name]["outputs"]) for name in names)))
    for start in range(0, len(cut), step):
        part = cut[start : start + step]
        data = np.asfortranarray((part - test.mean).reshape(len(part), -1).T, np.float32)
        # The labels only feed costs, which nobody reads here.
        rest = [np.zeros((run.data.shape.dims.get(1, 1), len(part)), np.float32)]
        found, _ = run.engine.features([data, *rest], [behind.get(name, name) for name in names])
        for name in names:
            best[name].look(np.asarray(found[behind.get(name, name)]), start)
    strongest = {name: one.result() for name, one in best.items()}
    return [one.picture for every in strongest.values() for one in every if one is not None], strongest


class _Best:
    """The strongest response so far of every filter of a convolution."""

    def __init__(self, layer: Mapping[str, Any]) -> None:
        self.filters, self.modules = int(layer["filters"]), int(layer["modulesX"])
        self.side, self.stride, self.start = (int(layer[key][0]) for key in ("filterSize", "stride", "padding"))
        self.response = np.zeros(self.filters)
        self.where = np.zeros((self.filters, 2), int)

    def look(self, responses: NDArray[np.float32], first: int) -> None:
        """`responses` (cases, features) of the pictures from number `first` on."""
        each = responses.reshape(len(responses), self.filters, -1).transpose(1, 0, 2).reshape(self.filters, -1)
        at = each.argmax(axis=1)
        value = each[np.arange(self.filters), at]
        better = value > self.response
        self.response[better] = value[better]
        case, module = np.divmod(at, self.modules**2)
        self.where[better] = np.stack([case + first, module], axis=1)[better]

    def result(self) -> tuple[Strongest | None, ...]:
        from alexnet_archive.exhibit.interactive import Strongest

        rows = zip(self.response, self.where)
        return tuple(
            Strongest(
                int(case), self.start + self.stride * int(module % self.modules),
                self.start + self.stride * int(module // self.modules), self.side, float(response),
            ) if response > 0 else None
            for response, (case, module) in rows
        )  # fmt: skip


class _Credited:
    """Pictures with whose they are, as far as that is known: of the built-in photographs, by their class."""

    def __init__(self, names: Sequence[str]) -> None:
        files = {what: file for file, what in bundled.PHOTOGRAPHS.items()}
        self.files = {index: files[name] for index, name in enumerate(names)} if set(names) == set(files) else {}
        self.photographs = _photographs(self.files)
        self.place = {one.truth: index for index, one in enumerate(self.photographs)}

    def shown(self, pixels: NDArray[np.uint8], label: int, offered: bool) -> Shown:
        from alexnet_archive.exhibit.interactive import Shown

        credit = bundled.CREDITS[self.files[label]] if label in self.files else None
        return Shown(pixels, None if label < 0 else label, offered, credit, self.place.get(label))

    def film(self, kept: film.Film | None, *, offered: bool) -> tuple[Shown, ...]:
        rows = () if kept is None else zip(kept.pictures, kept.truths)
        return tuple(self.shown(pixels, int(truth), offered) for pixels, truth in rows)


def _photographs(files: Mapping[int, str]) -> tuple[Photograph, ...]:
    """The photographs of these classes as JPEGs; none where scikit-image is not installed."""
    from alexnet_archive.batches.codec import encode_jpeg
    from alexnet_archive.exhibit.interactive import Photograph

    try:
        folder = bundled.photograph_folder() if files else None
    except MissingToolError:
        folder = None
    if folder is None:
        return ()
    pixels = {truth: np.asarray(bundled.load_photograph(folder / file)) for truth, file in files.items()}
    return tuple(
        Photograph(encode_jpeg(one, PHOTOGRAPH_QUALITY), one.shape[1], one.shape[0], truth, bundled.CREDITS[files[truth]])
        for truth, one in pixels.items()
    )
