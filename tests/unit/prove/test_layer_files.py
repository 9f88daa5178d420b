"""Layer files named as the release's, with a content of ours: verdicts that are not those on record are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.errors import LayerFileError
from alexnet_archive.prove.layerfiles import layer_files, read_file
from alexnet_archive.prove.site import Found, Options, Site
from tests.unit.layerdefs.layerfiles import BASE

Acquire = Callable[[dict[str, str]], Path]
WEIGHTS = "epsW=0.1\nepsB=0.1\nmomW=0.9\nmomB=0.9\n"
RATES = f"[fc1]\n{WEIGHTS}"
ENDS = "[end]\ntype=cost.logreg\ninputs=labels,soft\ngpu=0\n"
COLUMN = """[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[fc1]
type=fc
inputs=data
outputs=12
initW=0.1
gpu=0
"""


def proved(tmp_path: Path) -> Found:
    return layer_files(Site(Options(), tmp_path))


def rows(found: Found) -> dict[str, str]:
    return {row["file"].rpartition("/")[2]: row["verdict"] for row in found.figures["items"]}


def test_verdicts_as_they_are_on_record(acquire: Acquire, tmp_path: Path) -> None:
    acquire({
        "layers/layer-params-175.cfg": RATES + "schedW=dexp[250,0,4]\n",
        "layers/layer-params-147.cfg.save": "stray text\n" + RATES,
        "layers/layer-params-154.cfg": RATES + "sched=exp[1000]\n" + RATES,
        "layers/layers-145.cfg": COLUMN,
    })  # fmt: skip
    found = proved(tmp_path)
    assert rows(found) == {
        "layer-params-147.cfg.save": "refused (U)", "layer-params-154.cfg": "accepted", "layer-params-175.cfg": "refused (E)",
        "layers-145.cfg": "refused (E)",
    }  # fmt: skip
    # Our stand-in for 145 has a layer that nobody uses, and fewer layers than 145.
    assert {one.file for one in found.failures} == {"layers/layers-145.cfg"} and found.exit_code == LayerFileError.exit_code


def test_another_verdict_is_named_with_the_reason_on_record(acquire: Acquire, tmp_path: Path) -> None:
    acquire({"layers/layer-params-175.cfg": RATES, "layers/layer-params-170.cfg": RATES + "schedW=exp[4]\n"})
    failures = sorted(proved(tmp_path).failures, key=lambda one: str(one.file))
    first, second = (one for one in failures if one.file != "layers/layers-145.cfg")
    assert (first.file, first.found, first.symbol) == ("layers/layer-params-170.cfg", "refused (E)", "fc1.schedW")
    assert first.spec == "layer-language 5.4" and "exp[4]" not in str(first)
    assert second.found == "accepted" and second.expected is not None and "by position" in second.expected


def test_files_of_no_record_have_a_verdict_and_are_held_against_nobody(acquire: Acquire, tmp_path: Path) -> None:
    acquire({"example-layers/ours.cfg": BASE, "example-layers/ours.params.cfg": "[conv]\nepsW=none\n", "layers/x.txt": "x"})
    found = proved(tmp_path)
    assert rows(found)["ours.cfg"] == "accepted" and rows(found)["ours.params.cfg"].startswith("refused")
    assert not any("ours" in str(one.file) for one in found.failures)
    assert {row["on_record"] for row in found.figures["items"] if "ours" in row["file"]} == {"none"}


LENT = COLUMN.replace("initW=0.1", "initW=0.1\ninitWFunc=initw.makew(fc1)")
NETS = {
    "plain": COLUMN + "[soft]\ntype=softmax\ninputs=fc1\n" + ENDS,
    "labels as wide as the classes": COLUMN + "[soft]\ntype=neuron\nneuron=logistic\ninputs=fc1\n"
    "[end]\ntype=cost.crossent2\ninputs=labels,soft\ngpu=0\n",
    "a class tree": COLUMN + "[tree]\ntype=treefc\ninputs=fc1\ninitW=0.1\n[soft]\ntype=softmax\ninputs=tree\n" + ENDS,
    "an initialiser that wants a checkpoint": LENT + "[soft]\ntype=softmax\ninputs=fc1\n" + ENDS,
    "an initialiser and labels as wide as the classes": LENT + "[soft]\ntype=neuron\nneuron=logistic\ninputs=fc1\n"
    "[end]\ntype=cost.crossent2\ninputs=labels,soft\ngpu=0\n",
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_definition_is_read_for_data_that_it_was_made_for(acquire: Acquire, name: str) -> None:
    acquire({"layers/mine.cfg": NETS[name], "layers/mine.params.cfg": RATES})
    one = read_file("layers/mine.cfg", None)
    assert one.first is None and one.gpus == 1 and one.layers == NETS[name].count("type=")
    wrong = NETS[name].replace("outputs=12", "outputs=-12")
    acquired = paths.original_source() / "layers" / "mine.cfg"
    acquired.chmod(0o644)
    acquired.write_text(wrong)
    assert read_file("layers/mine.cfg", None).first is not None


def test_a_file_that_is_not_there_is_not_accepted(acquire: Acquire) -> None:
    acquire({})
    for name in ("layers/layers-gone.cfg", "layers/layer-params-gone.cfg"):
        one = read_file(name, None)
        assert one.verdict == "refused (U)" and str(paths.original_source()) not in str(one.first)
