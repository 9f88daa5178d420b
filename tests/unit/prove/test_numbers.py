"""Parameters in which everything learns; pictures that a published net sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alexnet_archive.batches import ProviderOptions, open_provider
from alexnet_archive.batches.check import check_folder
from alexnet_archive.layerdefs import find_definition
from alexnet_archive.prove.numbers import _patterns, with_rates
from alexnet_archive.runs.fitting import border_for


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
