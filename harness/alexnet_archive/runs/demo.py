"""The demo: the photographs bundled with scikit-image as class folders and batch files, a two-column net, its test, a page of
figures and the exhibit."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.errors import ExportError, MissingToolError, UserInputError
from alexnet_archive.files import make_folder, write_text
from alexnet_archive.runs.events import Notice, Report, Stop, ignore, never
from alexnet_archive.runs.exhibiting import exhibit_network
from alexnet_archive.runs.pages import exhibit_run
from alexnet_archive.runs.request import Request
from alexnet_archive.runs.results import TestResult, Trained
from alexnet_archive.runs.sources import SEED, Watch, render
from alexnet_archive.runs.verbs import test, train

SIZE, BORDER = 64, 4
MARKER = ".alexnet-archive-demo"
EXHIBIT = "exhibit.html"
FILLED = ("pictures", "batches", "runs", "index.html", EXHIBIT, "cost.png", "filters.png", "predictions.png")
"""What a demo writes into its folder, and therefore replaces."""

TITLE = "A two-column network of 2012, trained on photographs"


@dataclass(frozen=True)
class Shown:
    """A demo that ended: its training, the test over its whole range, its page of figures, and the exhibit of its network.

    `exhibit` is None where the exhibit's page has not been built.
    """

    trained: Trained
    tested: TestResult
    page: Path
    exhibit: Path | None

    @property
    def top1_error(self) -> float:
        return self.tested.costs["logprob"][1]


def claim(out: Path) -> None:
    """Make `out`, or take one that an earlier demo made; raises UserInputError rather than overwrite anything else."""
    make_folder(out)
    marker = out / MARKER
    found = [name for name in FILLED if (out / name).exists()]
    if found and not marker.exists():
        raise UserInputError(
            f"{out} holds {', '.join(found)}, and no demo made them",
            path=out,
            remedy="name a new or an empty folder with --out",
        )
    write_text(marker, "This folder was filled by `alexnet-archive demo`, which replaces what it finds here.\n")


def photographs(out: str | Path, *, seed: int = SEED, workers: int | None = None, watch: Watch = lambda *_: None) -> Path:
    """The demo's data in `out`: crops of sixteen photographs as JPEGs in `pictures/`, as batch files in `batches/`.

    Pictures are 64 pixels square, for training, validation (batches from 2000) and test. Takes a folder that an earlier
    call filled; returns the data folder. `workers` processes convert (None: one for each core).
    Needs the extra `demo`. Raises UserInputError for a folder with anything else.
    """
    out = Path(out)
    claim(out)
    pictures, data = out / "pictures", out / "batches"
    for folder in (pictures, data):
        if folder.exists():
            shutil.rmtree(folder)
    render(pictures, data, SIZE, seed=seed, workers=workers, watch=watch)
    return data


def demonstrate(
    out: Path, data: Path, *, epochs: int, seed: int, report: Report = ignore, stop: Stop = never
) -> Shown | Trained:
    """Train the demo's net on `data`, test it, make its page and exhibit in `out`; the training alone when it was stopped."""
    for old in out.glob("runs/ConvNet__*"):
        shutil.rmtree(old)
    wanted = Request(
        layers="demo", data=data, epochs=epochs, test_frequency=4, save=out / "runs", crop_border=BORDER, test_one=True,
        seed=seed,
    )  # fmt: skip
    trained = train(wanted, report, stop)
    if trained.stopped:
        return trained
    assert trained.folder is not None
    tested = test(Request(resume=trained.folder))
    page = exhibit_run(trained.folder, out / "index.html", data=data, title=TITLE, keep=out)
    return Shown(trained, tested, page, _exhibit(trained.folder, out / EXHIBIT, report))


def _exhibit(run: Path, out: Path, report: Report) -> Path | None:
    try:
        return exhibit_network(run, out, single=True, say=lambda text: report(Notice(text)))
    except (MissingToolError, ExportError) as error:
        report(Notice(f"no exhibit: {error.message}; {error.remedy}"))
        return None
