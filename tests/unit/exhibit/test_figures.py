"""Figures: what must be in them is in them, the same input gives the same bytes, bad input is one clear error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.errors import UserInputError
from alexnet_archive.exhibit import figures, page
from alexnet_archive.exhibit.figures import FilterBlock, Prediction

TRAIN = [({"logprob": [2.3 / (i + 1), 0.9 / (i + 1), 0.5 / (i + 1)]}, 128) for i in range(12)]
TEST = TRAIN[3::4]


def blocks() -> list[FilterBlock]:
    rng = np.random.default_rng(0)
    return [FilterBlock(f"conv1{c}", g, rng.normal(size=(3 * 49, 32)).astype(np.float32), 3, 7) for g, c in enumerate("ab")]


@pytest.mark.parametrize("suffix", [pytest.param(".png", marks=pytest.mark.exhaustive), ".svg"])
def test_every_figure_is_written_and_repeats_to_the_byte(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    table = rng.dirichlet(np.ones(9), 5).astype(np.float32)
    predictions = [Prediction(rng.random((32, 32, 3)), table[i], int(i)) for i in range(5)]
    names = [f"class {i}, more" for i in range(9)]
    makers = {
        "cost": lambda: figures.cost_figure(TRAIN, TEST, "logprob", test_frequency=4, batches_per_epoch=3),
        "filters": lambda: figures.filter_figure(blocks()),
        "predictions": lambda: figures.prediction_figure(predictions, names),
    }
    for name, make in makers.items():
        first = figures.save_figure(make(), tmp_path / f"{name}{suffix}").read_bytes()
        again = figures.save_figure(make(), tmp_path / f"{name}2{suffix}").read_bytes()
        assert first == again and len(first) > 2000
    if suffix == ".svg":
        assert b"<svg" in first


def test_curves_have_one_point_per_batch_and_test() -> None:
    figure = figures.cost_figure(TRAIN, TEST, "logprob", test_frequency=4, batches_per_epoch=3)
    lines = figure.axes[0].get_lines()
    assert [len(line.get_xdata()) for line in lines] == [12, 3]
    assert list(lines[1].get_xdata()) == pytest.approx([4 / 3, 8 / 3, 4])
    assert list(lines[0].get_ydata()) == pytest.approx([costs["logprob"][0] for costs, _ in TRAIN])


def test_a_cost_without_history_names_those_that_have_one() -> None:
    with pytest.raises(UserInputError) as caught:
        figures.cost_figure(TRAIN, TEST, "loss", test_frequency=4, batches_per_epoch=3)
    assert caught.value.expected == "logprob"


def test_tiles_span_black_to_white_and_keep_their_orientation() -> None:
    weights = np.zeros((3 * 4, 1), np.float32)
    weights[0 * 4 + 1, 0] = 1  # channel 0, row 0, column 1
    tiles = figures.filter_tiles(FilterBlock("c", 0, weights, 3, 2))
    assert tiles.shape == (1, 2, 2, 3)
    assert tiles[0, 0, 1, 0] == 1 and tiles.sum() == 1


def test_a_constant_filter_does_not_divide_by_zero() -> None:
    tiles = figures.filter_tiles(FilterBlock("c", 0, np.ones((12, 2), np.float32), 3, 2), normalise_each=True)
    assert np.isfinite(tiles).all()


def test_unknown_picture_format(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="picture"):
        figures.save_figure(figures.filter_figure(blocks()), tmp_path / "x.bmp")


def test_the_page_is_self_contained(tmp_path: Path) -> None:
    figures.save_figure(figures.filter_figure(blocks()), tmp_path / "f.png")
    picture = page.Picture(tmp_path / "f.png", "Filters <1>", "A & B")
    row = {"name": "conv1", "type": "conv", "gpu": 0, "inputs": ["data"], "outputs": 10, "parameters": 5}
    path = page.write_page(tmp_path / "p.html", title="T", lead="L", facts=[("a", "b")], layers=[row], pictures=[picture])
    text = path.read_text()
    assert "data:image/png;base64," in text and "Filters &lt;1&gt;" in text
    assert 'src="http' not in text and "<script" not in text and "<link" not in text


def test_histories_of_older_code_show_what_all_have() -> None:
    older = [({"logprob": [2.3, 0.9]}, 128), *TRAIN]
    figure = figures.cost_figure(older, TEST, "logprob", test_frequency=4, batches_per_epoch=3)
    assert len(figure.axes[1].get_lines()) == 2
    with pytest.raises(UserInputError, match="no history"):
        figures.cost_figure([({"other": [1.0]}, 1), *TRAIN], TEST, "logprob", test_frequency=4, batches_per_epoch=3)


def test_other_channels_stand_side_by_side_filter_by_filter() -> None:
    """Two filters of two channels, one pixel each: 0, 1/3 of the first, then 2/3, 1 of the second."""
    weights = np.array([[0, 2], [1, 3]], np.float32)  # (channel, filter)
    block = FilterBlock("c", 0, weights, 2, 1)
    picture = np.asarray(figures.filter_figure([block], columns=4).axes[0].get_images()[0].get_array())
    assert picture.shape[:2] == (3, 9)
    assert list(picture[1, 1::2, 0]) == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_a_large_layer_is_cut_after_24_rows() -> None:
    weights = np.random.default_rng(0).normal(size=(5 * 4, 600)).astype(np.float32)
    picture = np.asarray(figures.filter_figure([FilterBlock("c", 0, weights, 5, 2)]).axes[0].get_images()[0].get_array())
    assert picture.shape[:2] == (24 * 3 + 1, 20 * 3 + 1)
