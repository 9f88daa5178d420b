"""The figure of the notebook: every run is a mark or is named as left out, every relation between marks is an edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.patches import FancyArrowPatch
from matplotlib.transforms import Bbox
from PIL import Image

from alexnet_archive.archive import experiments
from alexnet_archive.errors import WriteError
from alexnet_archive.exhibit import notebook

pytestmark = pytest.mark.xdist_group("notebook-figure")  # drawn once
ALL = experiments.load()


@pytest.fixture(scope="module")
def drawing() -> notebook.Drawing:
    return notebook.draw(ALL, experiments.evidence())


def test_every_run_is_shown_or_named_as_left_out(drawing: notebook.Drawing) -> None:
    assert sorted([*drawing.placed, *drawing.left_out]) == sorted(item.id for item in ALL)
    assert all(experiments.get(name).started is None and experiments.get(name).top5 is None for name in drawing.left_out)
    axes = drawing.figure.axes[0]
    assert {text.get_text().split(" (")[0] for text in axes.texts} >= set(drawing.placed)
    marks = [line for line in axes.lines if line.get_marker() in notebook.GPU_MARKERS.values() and len(line.get_xdata()) == 1]
    assert len(marks) == len(drawing.placed)


def test_every_relation_between_marks_is_an_edge(drawing: notebook.Drawing) -> None:
    expected = {(r, p, item.id) for item in ALL if item.id in drawing.placed for r, p in item.parents if p in drawing.placed}
    assert set(drawing.edges) == expected and len(drawing.edges) == len(expected)
    assert sum(isinstance(patch, FancyArrowPatch) for patch in drawing.figure.axes[0].patches) == len(expected)


def test_heights_are_errors_and_distances_are_days(drawing: notebook.Drawing) -> None:
    for item in ALL:
        if item.top5 is not None and float(item.top5) < notebook.MANY_CLASSES_FROM:
            assert drawing.placed[item.id][1] == pytest.approx(float(item.top5) * 100)
    days = drawing.placed["184-4gpu"][0] - drawing.placed["145"][0]
    assert days == 172  # 13 September 2012 to 4 March 2013


def test_marks_of_runs_without_an_error_do_not_fall_together(drawing: notebook.Drawing) -> None:
    spots = [place for name, place in drawing.placed.items() if experiments.get(name).top5 is None]
    assert len(set(spots)) == len(spots)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_figures_are_written_whole(drawing: notebook.Drawing, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"notebook.{suffix}"
    notebook.save(drawing, out)
    head = out.read_bytes()[:200]
    assert {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix] in head
    if suffix == "png":
        with Image.open(out) as picture:
            assert picture.size == (1760, 1100) and len(picture.convert("RGB").getcolors(1 << 20) or []) > 50
    with pytest.raises(WriteError):
        notebook.save(drawing, tmp_path / "nowhere" / "x.png")


def test_names_lie_over_no_name_and_no_mark_and_nothing_is_cut(drawing: notebook.Drawing) -> None:
    """Measured on the drawn figure, in pixels."""
    figure, axes = drawing.figure, drawing.figure.axes[0]
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in axes.texts}
    names = [text for text in boxes if text.split(" (")[0] in drawing.placed]
    assert len(names) == len(drawing.placed)
    inside = axes.get_window_extent(renderer)
    for text, box in boxes.items():
        beside = text.startswith("paper:") or text.endswith("are not")  # these stand outside the frame
        assert beside or (inside.x0 < box.x0 and box.x1 < inside.x1), f"{text} is cut by the frame"
    for i, one in enumerate(names):
        for other in [*names[i + 1 :], *(text for text in boxes if text not in names)]:
            assert not boxes[one].overlaps(boxes[other]), f"{one} lies over {other}"
        for name, place in drawing.placed.items():
            x, y = axes.transData.transform(place)
            assert not boxes[one].overlaps(Bbox([(x - 4, y - 4), (x + 4, y + 4)])), f"{one} lies over the mark of {name}"
    whole = figure.bbox
    for text, box in [*boxes.items(), ("legend", axes.get_legend().get_window_extent(renderer))]:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1, f"{text} is cut"
