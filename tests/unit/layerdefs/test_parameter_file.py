"""The parameter file: every check, relics, quantisers, re-reading for a checkpoint. Layer-language 4.6, 5, appendix A."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import Schedule, apply_parameters
from tests.unit.layerdefs.layerfiles import problems, read

DEFINITION = """
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[conv]
type=conv
inputs=data,data
gpu=0
channels=3,3
filters=16,16
filterSize=5,5
initW=0.01,0.01
partialSum=0
neuron=relu
[norm]
type=rnorm
inputs=conv
channels=16
size=3
[cmap]
type=cmrnorm
inputs=norm
channels=16
size=5
[pick]
type=pool
inputs=cmap
channels=16
sizeX=2
stride=2
pool=rand
[drop]
type=hs
inputs=pick
keep=0.5
[out]
type=fc
inputs=drop
outputs=10
initW=0.01
[probs]
type=softmax
inputs=out
[cost]
type=cost.logreg
inputs=labels,probs
gpu=0
[multi]
type=cost.msm
inputs=labels,out
gpu=0
"""

SECTIONS: dict[str, dict[str, str]] = {
    "conv": {"epsW": "0.1,0.2", "epsB": "0.3", "momW": "0.9,0.8", "momB": "0.7", "wc": "0.01,0.02", "wball": "0,2"},
    "norm": {"scale": "0.9", "pow": "0.75"},
    "cmap": {"scale": "0.5", "pow": "0.75", "minDiv": "2"},
    "pick": {"doMax": "on"},
    "drop": {"enable": "true"},
    "out": {"epsW": "0", "epsB": "0", "momW": "0.9", "momB": "0.9"},
    "cost": {"coeff": "1", "topk": "5"},
    "multi": {"coeff": "0.5", "setSize": "3", "threads": "4"},
}


def text(change: dict[str, str | None] | None = None, *, drop: str = "") -> str:
    """The whole file, with `section.key` values replaced (None: left out) and one section dropped."""
    sections = {name: dict(body) for name, body in SECTIONS.items() if name != drop}
    for where, value in (change or {}).items():
        section, key = where.split(".")
        if value is None:
            sections[section].pop(key)
        else:
            sections.setdefault(section, {})[key] = value
    return "".join(f"[{name}]\n" + "".join(f"{k}={v}\n" for k, v in body.items()) for name, body in sections.items())


def test_the_whole_file_is_accepted_and_lands_in_the_dictionaries() -> None:
    layers = read(DEFINITION, text()).to_dicts(np.random.RandomState(1))
    conv = layers["conv"]
    assert (conv["epsW"], conv["epsB"], conv["momW"], conv["momB"]) == ([0.1, 0.2], 0.3, [0.9, 0.8], 0.7)
    assert (conv["wc"], conv["wball"], conv["wballNormed"]) == ([0.01, 0.02], [0.0, 2.0], [0.0, 150.0])
    assert (conv["superEps"], conv["superMom"], conv["wcNormMin"], conv["wcNormMax"]) == (0.0, 0.0, [0.0, 0.0], [0.0, 0.0])
    assert conv["schedW"] == {"type": "default", "params": {}} == conv["quantF"]
    assert conv["gradConsumer"] is True and layers["out"]["gradConsumer"] is False
    assert (layers["norm"]["scale"], layers["cmap"]["scale"]) == (0.9 / 9, 0.5 / 5), "divided by size squared, by size"
    assert layers["cmap"]["minDiv"] == 2.0 and "minDiv" not in layers["norm"]
    assert (layers["pick"]["doMax"], layers["pick"]["requiresParams"], layers["drop"]["enable"]) == (True, True, True)
    assert (layers["cost"]["coeff"], layers["cost"]["topk"]) == (1.0, 5)
    assert (layers["multi"]["setSize"], layers["multi"]["threads"], layers["multi"]["numOut"]) == (3, 4, 10)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_needed(section: str) -> None:
    (problem,) = problems(DEFINITION, text(drop=section))
    assert (problem.kind, problem.section, problem.first) == ("E", section, True)


REQUIRED = [
    *[f"conv.{key}" for key in ("epsW", "epsB", "momW", "momB")],
    *[f"{name}.{key}" for name in ("norm", "cmap") for key in ("scale", "pow")],
    "drop.enable", "cost.coeff", "multi.coeff", "multi.setSize", "multi.threads",
]  # fmt: skip


@pytest.mark.parametrize("where", REQUIRED)
def test_required_keys(where: str) -> None:
    (problem,) = problems(DEFINITION, text({where: None}))
    assert (problem.kind, f"{problem.section}.{problem.key}") == ("E", where)
    assert "absent" in problem.message


OPTIONAL = ["conv.wc", "conv.wball", "cmap.minDiv", "pick.doMax", "cost.topk"]


@pytest.mark.parametrize("where", OPTIONAL)
def test_optional_keys(where: str) -> None:
    assert problems(DEFINITION, text({where: None})) == ()


BAD = [
    ("conv.epsW", "0.1", "E"), ("conv.momW", "0.9", "E"), ("conv.wc", "0", "E"), ("conv.wball", "0,0,0", "E"),
    ("conv.wcNormMax", "1", "E"), ("conv.wcNormMin", "1,1", "E"), ("conv.epsW", "0.1,", "E"), ("conv.epsB", "0.1,0.2", "E"),
    ("conv.schedW", "const", "E"), ("conv.schedB", "linear[1,1]", "E"), ("conv.schedW", "dexp[1000,4]", "E"),
    ("conv.schedW", "linear[tgtFactor=x,noiseStdev=0]", "U"), ("conv.quantF", "quarter", "E"), ("probs.quantB", "8", "E"),
    ("drop.enable", "2", "E"), ("norm.scale", "x", "E"), ("cmap.minDiv", "", "E"), ("pick.doMax", "ja", "E"),
    ("cost.topk", "1.5", "E"), ("multi.setSize", "0", "U"), ("multi.setSize", "10", "U"), ("multi.threads", "0", "U"),
    ("multi.threads", "33", "U"), ("out.epsW", "%", "U"),
]  # fmt: skip


@pytest.mark.parametrize("where, value, kind", BAD)
def test_bad_values(where: str, value: str, kind: str) -> None:
    (problem,) = problems(DEFINITION, text({where: value}))
    assert (problem.kind, f"{problem.section}.{problem.key}") == (kind, where)
    assert problem.allowed


GOOD = [
    ("conv.epsW", "-1,0"), ("conv.wcNormMax", "1,1"), ("conv.schedW", "DEXP[tgtfactor=250,noiseStdev=0,numSteps=4]"),
    ("conv.quantF", "HALF[]"), ("multi.setSize", "9"), ("multi.threads", "32"), ("cost.topk", "-3"), ("drop.enable", "oFF"),
    ("conv.superEps", "1e-8"), ("conv.sched", "nonsense"), ("nobody.epsW", "x"),
]  # fmt: skip


@pytest.mark.parametrize("where, value", GOOD)
def test_accepted_values(where: str, value: str) -> None:
    assert problems(DEFINITION, text({where: value})) == ()


def test_everything_wrong_in_both_files_comes_at_once() -> None:
    found = problems(DEFINITION.replace("size=5", "size=99"), text({"conv.epsW": "x", "drop.enable": "2"}))
    assert [(p.section, p.key) for p in found] == [("cmap", "size"), ("conv", "epsW")]
    found = problems(DEFINITION, text({"conv.epsW": "x", "drop.enable": "2", "cost.coeff": None}))
    assert [(p.section, p.key, p.first) for p in found] == [
        ("conv", "epsW", True), ("drop", "enable", False), ("cost", "coeff", False),
    ]  # fmt: skip


def test_notes_for_what_has_no_effect() -> None:
    network = read(DEFINITION, text({"conv.epsw2": "1", "convv.epsW": "1", "multi.topk": "5", "conv.sched": "exp[1000]"}))
    said = {(note.section, note.key): note.message for note in network.notes}
    assert "did you mean epsW" in said["conv", "epsw2"]
    assert "did you mean [conv]" in said["convv", None]
    assert "no effect" in said["multi", "topk"]
    assert "stays constant" in said["conv", "sched"]


def test_quantisers_of_a_detached_neuron_follow_its_source() -> None:
    by_name = read(DEFINITION, text({"conv.quantF": "half"})).by_name()
    assert [by_name[n].parameters.quant_f for n in ("conv", "conv_neuron", "norm")] == ["half", "half", "default"]  # type: ignore[union-attr]
    by_name = read(DEFINITION, text({"conv.quantF": "half", "conv_neuron.quantB": "half"})).by_name()
    neuron = by_name["conv_neuron"].parameters
    assert neuron is not None
    assert (neuron.quant_f, neuron.quant_b) == ("default", "half"), "a section of its own decides alone"


def test_sections_twice_are_one() -> None:
    twice = text() + "[conv]\nquantF=half\n"
    parameters = read(DEFINITION, twice).by_name()["conv"].parameters
    assert parameters is not None and parameters.eps_w == (0.1, 0.2) and parameters.quant_f == "half"


RELICS = [
    ("schedW", "linear[1,1]", Schedule("linear", 1.0, 1.0), Schedule()),
    ("schedB", "dexp[250,0,4]", Schedule(), Schedule("dexp", 250.0, 0.0, 4)),
    ("schedW", "jdexp[1000,4]", Schedule("jdexp", 1000.0, 0.0, 4), Schedule()),
    ("sched", "exp[20000]", Schedule("exp", 20000.0), Schedule("exp", 20000.0)),
    ("sched", "linear[1000]", Schedule("linear", 1000.0), Schedule("linear", 1000.0)),
    ("sched", "what", Schedule(), Schedule()),
]


@pytest.mark.parametrize("key, value, weights, biases", RELICS)
def test_lenient_reading_follows_the_intention_and_says_so(key: str, value: str, weights: Schedule, biases: Schedule) -> None:
    network = read(DEFINITION, text({f"conv.{key}": value}), lenient=True)
    parameters = network.by_name()["conv"].parameters
    assert parameters is not None
    assert (parameters.sched_w, parameters.sched_b) == (weights, biases)
    assert any("lenient" in note.message and note.key == key for note in network.notes)


def test_lenient_reading_still_refuses_what_has_no_plain_meaning() -> None:
    assert problems(DEFINITION, text({"conv.schedW": "dexp[4]"}), lenient=True)
    assert problems(DEFINITION, text({"conv.schedW": "const"}), lenient=True)


def test_an_editors_backup() -> None:
    backup = "stray text\n" + text()
    assert [p.kind for p in problems(DEFINITION, backup)] == ["U"]
    assert problems(DEFINITION, backup, lenient=True) == ()


def resumed(tmp_path: Path, changed: str, **options: bool) -> tuple[dict, dict]:
    """Layer dictionaries before and after re-reading the changed parameter file."""
    layers = read(DEFINITION, text()).to_dicts(np.random.RandomState(1))
    fresh = read(DEFINITION, text()).to_dicts(np.random.RandomState(1))
    path = tmp_path / "params.cfg"
    path.write_text(changed)
    apply_parameters(layers, path, **options)  # type: ignore[arg-type]
    return fresh, layers


def test_resuming_takes_every_parameter_and_nothing_else(tmp_path: Path) -> None:
    change = {
        "conv.epsW": "0,0", "conv.epsB": "0", "conv.wball": "1,1", "norm.scale": "1.8", "cmap.scale": "2", "drop.enable": "no",
        "cost.topk": "2", "pick.doMax": "0", "conv.schedB": "exp[tgtFactor=10,noiseStdev=0]", "conv.quantB": "half",
    }  # fmt: skip
    before, after = resumed(tmp_path, text(change))  # type: ignore[arg-type]
    conv = after["conv"]
    assert (conv["gradConsumer"], conv["wballNormed"]) == (False, [75.0, 75.0])
    assert (after["norm"]["scale"], after["cmap"]["scale"]) == (1.8 / 9, 2.0 / 5)
    assert (after["drop"]["enable"], after["cost"]["topk"], after["pick"]["doMax"]) == (False, 2, False)
    assert conv["schedB"]["type"] == "exp" and conv["quantB"]["type"] == "half" == after["conv_neuron"]["quantB"]["type"]
    for name, layer in after.items():
        for key in ("weights", "weightsInc"):
            for old, new in zip(before[name].get(key, []), layer.get(key, [])):
                assert np.array_equal(old, new)
        assert (layer["outputs"], layer["gpu"], layer.get("initW")) == tuple(
            before[name].get(k) for k in ("outputs", "gpu", "initW")
        )
        assert set(layer) == set(before[name])


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    before, after = resumed(tmp_path, text())
    plain = [
        {k: v for k, v in d.items() if k not in ("weights", "weightsInc", "biases", "biasesInc", "inputLayers")}
        for d in before.values()
    ]
    again = [
        {k: v for k, v in d.items() if k not in ("weights", "weightsInc", "biases", "biasesInc", "inputLayers")}
        for d in after.values()
    ]
    assert plain == again


def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    layers = read(DEFINITION, text()).to_dicts(np.random.RandomState(1))
    path = tmp_path / "params.cfg"
    path.write_text(text({"conv.epsB": "7", "cost.coeff": "x"}))
    with pytest.raises(LayerFileError) as caught:
        apply_parameters(layers, path)
    assert layers["conv"]["epsB"] == 0.3
    assert [p.key for p in caught.value.problems if p.kind == "E"] == ["coeff"]
    path.write_text(text({"conv.epsW": "1"}))
    with pytest.raises(LayerFileError, match="one element per input"):
        apply_parameters(layers, path)


def test_conserve_mem_is_set_again_and_old_checkpoints_lack_keys(tmp_path: Path) -> None:
    layers = read(DEFINITION, text()).to_dicts(np.random.RandomState(1))
    for key in ("weightsPerFilter", "numInputs", "quantF", "schedW", "wballNormed", "requiresParams", "name"):
        for layer in layers.values():
            layer.pop(key, None)
    path = tmp_path / "params.cfg"
    path.write_text(text())
    apply_parameters(layers, path, conserve_mem=1)
    assert {layer["conserveMem"] for layer in layers.values()} == {1}
    assert layers["conv"]["wballNormed"] == [0.0, 150.0] and layers["out"]["wballNormed"] == [0.0]


def test_a_missing_parameter_file(tmp_path: Path) -> None:
    with pytest.raises(LayerFileError, match="parameter"):
        apply_parameters({}, tmp_path / "none.cfg")
