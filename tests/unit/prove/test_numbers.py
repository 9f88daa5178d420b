"""What ties within rounding may leave apart; parameters in which everything learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.batches import ProviderOptions, open_provider
from alexnet_archive.batches.check import check_folder
from alexnet_archive.compare import Item
from alexnet_archive.layerdefs import find_definition
from alexnet_archive.prove.numbers import _patterns, may_be_tied, with_rates
from alexnet_archive.runs.fitting import border_for


def item(name: str, error: float, verdict: str = "too far apart") -> Item:
    return Item(name, (1,), 0.0, 0.0, error, 5e-5, "", verdict)


@pytest.mark.parametrize(("one", "tied"), [
    (item("increments/conv1/0/1/after-1", 0.019), True),
    (item("bias_increments/conv1/2/resumed", 0.019), True),
    (item("increments/conv1/0/1/after-1", 0.021), False),
    (item("increments/conv1/0/1/after-1", float("nan"), "not finite in 3 places"), False),
    (item("increments/conv1/0/1/after-1", 0.0, "shapes differ: (1,) and (2,)"), False),
    (item("activation/conv1", 1e-4), False),
    (item("cost/logprob", 1e-4), False),
])  # fmt: skip
def test_a_tie_moves_what_an_update_leaves_and_not_far(one: Item, tied: bool) -> None:
    assert may_be_tied(one) is tied


def test_every_rate_of_a_parameter_file_becomes_one_that_learns(tmp_path: Path) -> None:
    filed = "# epsW=7\n[conv1]\nepsW=0.0\nepsb = 1e-5 ; low\nmomW=0.9\n[fc]\nEPSW: 0, 0.000\nschedW=x\n"
    (tmp_path / "a.cfg").write_text(filed)
    text = with_rates(tmp_path / "a.cfg", tmp_path / "b.cfg").read_text()
    assert text == "# epsW=7\n[conv1]\nepsW=0.001\nepsb = 0.001 ; low\nmomW=0.9\n[fc]\nEPSW: 0.001,0.001\nschedW=x\n"


def test_the_patterns_are_what_a_published_net_sees(tmp_path: Path) -> None:
    folder = _patterns(tmp_path / "patterns")
    assert check_folder(folder)[0] == []
    assert border_for(find_definition("two-column-120"), folder, given=4).border == 4
    with open_provider("inet-lr-cropped-jpeg", folder, [1], test=True, options=ProviderOptions(crop_border=4)) as provider:
        batch = provider.next()
    assert batch.matrices[0].shape == (3 * 224 * 224, 44) and np.abs(batch.matrices[0]).mean() > 50
