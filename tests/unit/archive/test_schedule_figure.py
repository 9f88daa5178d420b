"""`notebook RUN --schedule`: the figure shows every line and mark of the history, the table every row, in text and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from PIL import Image

from alexnet_archive.archive import schedules
from alexnet_archive.cli import main as cli
from alexnet_archive.exhibit import schedule

RUNS = ("145", "170-4gpu", "141-2009-half", "132", "170/continued", "155", "example-conv-local-12pct")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.run(["notebook", *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture(params=RUNS)
def drawn(request: pytest.FixtureRequest) -> Any:
    history = schedules.get(request.param)
    figure = schedule.draw(history)
    yield history, figure
    plt.close(figure)


def marks(figure: Figure, panel: int) -> list[Any]:
    return [line for line in figure.axes[panel].lines if line.get_marker() in ("o", "D") and len(line.get_xdata()) == 1]


def test_every_step_is_a_mark_hollow_where_inferred(drawn: Any) -> None:
    history, figure = drawn
    panels = [lines for lines in (schedules.rates_over_epochs(history, name) for name in ("epsW", "epsB")) if lines]
    for panel, lines in enumerate(panels):
        steps = [step for line in lines for step in line.steps if step.place is not None]
        found = marks(figure, panel)
        assert [(mark.get_xdata()[0], mark.get_marker() == "o") for mark in found] == [(s.place, s.placed) for s in steps]
        assert [mark.get_markerfacecolor() == "white" for mark in found] == [step.inferred for step in steps]
        low, high = figure.axes[panel].get_ylim()
        assert all(low < mark.get_ydata()[0] < high for mark in found)


def test_equal_rates_are_equally_high_and_zero_is_lowest() -> None:
    figure = schedule.draw(schedules.get("145"))
    heights = {mark.get_xdata()[0]: mark.get_ydata()[0] for mark in marks(figure, 0)}
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["0", "0.00001", "0.0001", "0.001", "0.01"]
    assert abs(heights[67] - heights[79]) < 0.1 and heights[72] == min(heights.values()) < heights[67] - 0.5
    plt.close(figure)


def test_names_lie_over_no_other(drawn: Any) -> None:
    _, figure = drawn
    figure.canvas.draw()
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    texts = [text for text in axes.texts if text.get_text()] + [axes._left_title, axes.get_legend()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert not [(i, j) for i, one in enumerate(boxes) for j, other in enumerate(boxes[:i]) if one.overlaps(other)]


def test_what_happened_is_named() -> None:
    figures = {run: schedule.draw(schedules.get(run)) for run in ("145", "170-4gpu", "129", "155")}
    texts = {run: [text.get_text() for text in figure.axes[0].texts] for run, figure in figures.items()}
    assert texts["145"] == ["pause, resume", "pause, resume", "end"] and texts["170-4gpu"] == ["55 back to 35", "end"]
    assert texts["129"] == ["ended, not noted when"] and texts["155"] == ["no end noted"]
    assert "lowered by sched=exp[4000]" in figures["155"].axes[0].get_title(loc="left")
    for figure in figures.values():
        plt.close(figure)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_command_prints_the_history_and_writes_the_figure(command: Command, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"schedule.{suffix}"
    code, text, _ = command("145", "--schedule", "-o", str(out))
    assert code == 0 and str(out) in text and "every step is known" in text and "* inferred" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["7", "67", "epsW", "conv1", "0.0001", "->", "0.00001"] in rows
    assert any(row[:6] == ["0", "0", "*", "epsW", "all", "0.01"] for row in rows)
    assert sum(row[:1] != [] and row[0].isdigit() for row in rows) == 14
    if suffix == "png":
        with Image.open(out) as picture:
            assert picture.width > 800 and len(picture.convert("RGB").getcolors(1 << 20) or []) > 30
    else:
        assert b"<svg" in out.read_bytes()


def test_what_is_not_known_is_said(command: Command) -> None:
    _, text, _ = command("132", "--schedule")
    assert "not every step is known" in text and "not known    when epsW of all became 0.0001" in text
    assert any(line.split()[:2] == ["2", "?"] for line in text.splitlines())
    _, text, _ = command("137/brightness", "--schedule")
    assert "no run of its own in the notebook" in text


def test_the_history_as_json(command: Command) -> None:
    code, text, _ = command("141-2009", "--schedule", "--json")
    facts = json.loads(text)
    assert code == 0 and facts["run"] == "141-2009" and facts["complete"] and facts["figure"] is None
    assert facts["changes"][1]["epoch"] == {"text": "5.1596", "epoch": 5, "batch": 1596, "fraction": 1595 / 8800}
    assert facts["changes"][1]["inferred"] and facts["end"] == facts["changes"][1] and not facts["filed_own"]
    assert [step["value"] for step in facts["over_epochs"]["epsW"][0]["steps"]] == [0.001, 0.0001]
    for item in schedules.histories():
        json.dumps(item.facts())


def test_bad_words_are_refused(command: Command, tmp_path: Path) -> None:
    for words, code, says in (
        (("14x", "--schedule"), 3, "no such run or attempt"),
        (("cifar-18pct", "--schedule"), 3, "no history of this run is on record"),
        (("145", "-o", str(tmp_path / "a.png")), 2, "--schedule"),
        (("145", "--schedule", "-o", str(tmp_path / "a.gif")), 3, "gif"),
        (("145", "--schedule", "-o", str(tmp_path / "nowhere" / "a.png")), 34, "cannot write"),
        (("145", "--shedule"), 2, "--schedule"),
    ):
        done = command(*words)
        assert done[0] == code and says in done[2], words
    assert not list(tmp_path.glob("a.*"))
