"""The recorded verdicts on the release's layer files: whole, about files of the record alone, nothing twice."""

from __future__ import annotations

from collections import Counter

from alexnet_archive.archive import experiments, load_release
from alexnet_archive.archive.verdicts import _rows, verdicts


def test_every_layer_file_of_the_record_has_a_verdict_and_no_other() -> None:
    found, expected = verdicts(), load_release().expected()
    assert len(found) == 161 and set(found) <= set(expected)  # release-inventory: 59 definitions, 102 parameter files
    assert Counter(one.what for one in found.values()) == {"definition": 59, "parameters": 102}


def test_the_table_names_files_of_the_release_once() -> None:
    named = [name for row in _rows() for name in row.files]
    assert len(named) == len(set(named)) and set(named) <= set(verdicts())
    assert all(row.kind in ("E", "U") if not row.accepted else row.kind == "" for row in _rows())


def test_refused_are_those_of_the_specification() -> None:
    refused = {path: one.kind for path, one in verdicts().items() if not one.accepted}
    assert Counter(refused.values()) == {"E": 16, "U": 1} and refused["layers/layer-params-147.cfg.save"] == "U"
    assert all(verdicts()[path].noted for path in refused)


def test_layers_devices_and_definitions_are_the_notebooks() -> None:
    one = verdicts()["layers/layers-183-4gpu.cfg"]
    assert (one.layers, one.gpus, one.classes) == (73, 4, 10184)
    assert all(one.layers for one in verdicts().values() if one.what == "definition")
    assert verdicts()["layers/layer-params-155.cfg"].definition == "layers/layers-153.cfg"
    named = {run.definition_file for run in experiments.load() if run.definition_file}
    assert {one.definition for one in verdicts().values()} - {None} <= named
