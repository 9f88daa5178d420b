"""The command `layers`, finding files by name, and the drawing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.colors as colours
import pytest
from click.testing import CliRunner, Result
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from alexnet_archive import paths
from alexnet_archive.cli.convert import convert
from alexnet_archive.cli.layers import layers
from alexnet_archive.errors import BatchFileError, LayerFileError, UserInputError, WriteError
from alexnet_archive.exhibit.network import CROSSING, FAULT, network_figure, size_text
from alexnet_archive.layerdefs import find_definition, find_parameters, inspect_network, net_facts, our_nets, read_network
from tests.unit.layerdefs.layerfiles import BASE
from tests.unit.layerdefs.test_network import EVERY

pytestmark = pytest.mark.usefixtures("archive_root")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(layers, [str(a) for a in arguments], catch_exceptions=True)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "layers-small.cfg"
    path.write_text(BASE)
    return path


SIZES = ("--image-size", "16", "--classes", "10", "--dims", "2=10")


def test_show_gives_the_printed_totals() -> None:
    shown = json.loads(call("show", "two-column-120", "--json").output)
    assert shown["totals"]["both"] == {
        "weights": 60_859_840, "biases": 10_536, "parameters": 60_870_376, "multiply_adds": 628_615_616,
    }  # fmt: skip
    assert len([c for c in shown["crossings"] if c["from_gpu"] >= 0]) == 8
    conv = next(row for row in shown["layers"] if row["name"] == "conv2a")
    assert (conv["image"], conv["weights"]) == ({"channels": 128, "side": 27}, [[75, 128], [800, 128]])


def test_show_as_tables() -> None:
    text = call("show", "two-column-120", "--minibatch", "128").output
    for piece in ("60,870,376", "628,615,616", "11,075,584", "27x27x128", "GPU 1 → GPU 0", "neuron relu"):
        assert piece in text


def test_bytes_follow_the_minibatch() -> None:
    one, two = (json.loads(call("show", "demo", "--json", "--minibatch", n).output) for n in ("1", "64"))
    assert [64 * c["bytes"] for c in one["crossings"]] == [c["bytes"] for c in two["crossings"]]


def test_check_accepts(base: Path) -> None:
    done = call("check", base, *SIZES)
    assert done.exit_code == 0 and "accepted; no parameter file" in done.output
    facts = json.loads(call("check", base, *SIZES, "--json").output)
    assert (facts["accepted"], facts["runnable"], facts["gpus"]) == (True, False, 1)


def test_check_refuses_with_every_problem(base: Path) -> None:
    base.write_text(BASE.replace("filters=16", "filters=8").replace("type=softmax", "type=sofmax"))
    error = call("check", base, *SIZES).exception
    assert isinstance(error, LayerFileError)
    assert [(p.section, p.key) for p in error.problems] == [("conv", "filters"), ("soft", "type")]
    assert "* layers-small.cfg [conv] filters" in str(error) and "- layers-small.cfg [soft] type" in str(error)


def test_check_of_a_hazard_fails(base: Path) -> None:
    base.write_text(BASE.replace("partialSum=1", "partialSum=-1"))
    assert isinstance(call("check", base, *SIZES).exception, LayerFileError)


def test_the_program_itself_exits_with_the_tables_code(base: Path) -> None:
    base.write_text("stray\n")
    program = "from alexnet_archive.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", program, "layers", "check", str(base), "--json"], capture_output=True, text=True
    )
    assert done.returncode == LayerFileError.exit_code
    assert json.loads(done.stdout)["problems"][0]["kind"] == "U"


def test_parameters_are_found_beside_and_lenient_reading_is_an_option(base: Path, tmp_path: Path) -> None:
    rates = "epsW=1\nepsB=1\nmomW=0\nmomB=0\n"
    costs = "".join(f"[keep{i}]\ncoeff=1\n" for i in range(1, 5))
    (tmp_path / "layer-params-small.cfg").write_text(f"[conv]\n{rates}schedW=dexp[1000,4]\n[flat]\n{rates}{costs}")
    assert isinstance(call("check", base, *SIZES).exception, LayerFileError)
    done = call("check", base, *SIZES, "--lenient")
    assert done.exit_code == 0 and "lenient" in done.output
    assert json.loads(call("check", base, *SIZES, "--lenient", "--json").output)["runnable"]


@pytest.mark.parametrize("dims", ["2", "x=1", "2=", "2=-1"])
def test_bad_dims(base: Path, dims: str) -> None:
    assert isinstance(call("check", base, "--dims", dims).exception, UserInputError)


def test_sizes_from_a_data_folder(tmp_path: Path) -> None:
    """A real folder of 16 classes, 64x64: the demo's net fits, with another border it does not."""
    for k in range(16):
        folder = tmp_path / "pictures" / f"class{k:02}"
        folder.mkdir(parents=True)
        Image.new("RGB", (70, 64), (k, 2 * k, 3 * k)).save(folder / "one.png")
    arguments = [str(tmp_path / "pictures"), str(tmp_path / "data"), "--size", "64", "--workers", "1"]
    assert CliRunner().invoke(convert, arguments).exit_code == 0
    assert call("check", "demo", "--data", tmp_path / "data").exit_code == 0
    shown = json.loads(call("show", "demo", "--data", tmp_path / "data", "--crop-border", "0", "--json").output)
    assert shown["layers"][0]["image"] == {"channels": 3, "side": 64}
    assert isinstance(call("check", "demo", "--data", tmp_path / "pictures").exception, BatchFileError)


@pytest.mark.parametrize("suffix, head", [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_draw(tmp_path: Path, suffix: str, head: bytes) -> None:
    out = tmp_path / f"net.{suffix}"
    assert json.loads(call("draw", "demo", "-o", out, "--json").output)["picture"] == str(out)
    assert out.read_bytes().startswith(head)
    first = out.read_bytes()
    call("draw", "demo", "-o", out)
    assert out.read_bytes() == first, "the same picture has the same bytes"


def test_a_drawing_names_every_layer_and_marks_crossings() -> None:
    definition = find_definition("two-column-120")
    network = read_network(definition, None, our_nets()["two-column-120"].shape())
    figure = network_figure(network)
    (axes,) = figure.axes
    words = {text.get_text() for text in axes.texts}
    assert {layer.name for layer in network.layers if not layer.src_layer} <= words
    assert {"host", "GPU 0", "GPU 1"} <= words
    red = [patch for patch in axes.patches if patch.get_edgecolor() == colours.to_rgba(CROSSING)]
    assert len(red) == 8


def test_every_layer_type_can_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "every.cfg"
    path.write_text(EVERY)
    assert call("draw", path, *SIZES, "-o", tmp_path / "every.png").exit_code == 0


def test_nets_lists_ours() -> None:
    assert {row["name"] for row in json.loads(call("nets", "--json").output)} == set(our_nets())
    assert "alexnet-2012" in call("nets").output


@pytest.mark.parametrize("command", [[], ["check"], ["show"], ["draw"], ["nets"], ["explain"], ["new"]])
def test_help_has_an_example(command: list[str]) -> None:
    assert "Example: alexnet-archive layers" in call(*command, "--help").output


# ---- a file with problems: what can be read is shown, the cause comes first


def misspelt(folder: Path) -> Path:
    """The demo's net with `paddng`: only partialSum fails then, since the filters have fewer places."""
    path = folder / "mine.cfg"
    path.write_text((paths.nets() / "demo.cfg").read_text().replace("padding=3", "paddng=3", 1))
    return path


DEMO = ("--image-size", "56", "--classes", "16")


def test_a_misspelt_key_stands_before_what_follows_from_it(tmp_path: Path) -> None:
    error = call("check", misspelt(tmp_path), *DEMO).exception
    assert isinstance(error, LayerFileError)
    shown = str(error).splitlines()[1:]
    assert shown[0].startswith("  - mine.cfg [conv1a] paddng") and "did you mean padding?" in shown[0]
    assert "partialSum" in shown[1] and shown[1].endswith("[may follow from paddng in [conv1a]]")
    assert error.remedy == "in [conv1a] rename paddng to padding"
    assert error.problems[0].first and error.problems[0].key == "partialSum", "where the release stops has not changed"


def test_what_follows_in_another_layer_is_marked_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.cfg"
    text = BASE.replace("padding=2", "paddng=2").replace("[flat]\ntype=fc", "[flat]\ntype=eltmax")
    path.write_text(text)
    error = call("check", path, *SIZES).exception
    assert isinstance(error, LayerFileError)
    (own,) = [p for p in error.problems if p.section == "flat" and p.kind == "E"]
    assert own.follows == "paddng in [conv]"


def test_a_second_problem_elsewhere_is_not_marked(tmp_path: Path) -> None:
    path = misspelt(tmp_path)
    path.write_text(path.read_text().replace("sizeX=3", "sizeX=99"))
    error = call("check", path, *DEMO).exception
    assert isinstance(error, LayerFileError)
    follows = {p.section: p.follows for p in error.problems if p.kind == "E"}
    assert follows["pool1b"] is None and follows["conv1a"]


def test_a_misspelt_inputs_key_explains_the_unused_layer(base: Path) -> None:
    base.write_text(BASE.replace("[soft]\ntype=softmax\ninputs=flat", "[soft]\ntype=softmax\ninptus=flat"))
    error = call("check", base, *SIZES).exception
    assert isinstance(error, LayerFileError)
    follows = {(p.section, p.key): p.follows for p in error.problems if p.kind == "E"}
    assert follows[("flat", None)] == "the inputs of [soft]" and follows[("soft", "inputs")] == "inptus in [soft]"


def test_misspelt_parameters_come_first_too(tmp_path: Path) -> None:
    rates = (paths.nets() / "demo.params.cfg").read_text().replace("epsW=0.001\n", "epsw2=0.001\n", 1)
    (tmp_path / "demo2.params.cfg").write_text(rates)
    error = call("check", paths.nets() / "demo.cfg", tmp_path / "demo2.params.cfg").exception
    assert isinstance(error, LayerFileError) and "did you mean epsW?" in str(error).splitlines()[1]
    assert error.remedy == "in [conv1a] rename epsw2 to epsW"


@pytest.mark.parametrize("text, remedy", [("filters=8", "mend filters in [conv]"), ("type=x", "mend type in [conv]")])
def test_a_remedy_is_not_the_command_again(base: Path, text: str, remedy: str) -> None:
    base.write_text(BASE.replace("filters=16", text))
    error = call("check", base, *SIZES).exception
    assert isinstance(error, LayerFileError) and error.remedy
    assert error.remedy.startswith(remedy) and "layers check" not in error.remedy
    (command,) = re.findall(r"`alexnet-archive layers (.*)`", error.remedy)
    assert call(*command.split()).exit_code == 0, "what a remedy names works"


def test_show_tabulates_what_can_be_read_and_fails(tmp_path: Path) -> None:
    done = call("show", misspelt(tmp_path), *DEMO)
    assert isinstance(done.exception, LayerFileError)
    lines = [line.split("│")[1].strip() for line in done.output.splitlines() if line.startswith("│")]
    assert lines[:5] == ["data", "labels", "! conv1a", "pool1a", "norm1a"], "the order of the file"
    assert "28x28x16" in done.output and "not reached" in done.output and "cannot be read" in done.output
    error = call("show", misspelt(tmp_path), *DEMO, "--json").exception
    assert isinstance(error, LayerFileError) and error.partial is not None
    assert (error.partial["faulty"], error.partial["broken"][0]["name"]) == (["conv1a"], "conv1a")
    assert {row["name"] for row in error.partial["layers"]} >= {"conv1b", "norm1b"}


def test_the_program_prints_one_json_document_and_the_tables_code(tmp_path: Path) -> None:
    program = "from alexnet_archive.cli.main import run; run()"
    command = [sys.executable, "-c", program, "layers", "show", str(misspelt(tmp_path)), *DEMO, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == LayerFileError.exit_code
    facts = json.loads(done.stdout)
    assert facts["partial"]["faulty"] == ["conv1a"] and facts["problems"][0]["follows"] == "paddng in [conv1a]"


def test_draw_draws_what_can_be_read_and_fails(tmp_path: Path) -> None:
    out = tmp_path / "broken.png"
    done = call("draw", misspelt(tmp_path), *DEMO, "-o", out)
    assert isinstance(done.exception, LayerFileError) and out.read_bytes().startswith(b"\x89PNG")
    definition = misspelt(tmp_path)
    found = inspect_network(definition, None, our_nets()["demo"].shape())
    (axes,) = network_figure(found.network, broken=found.broken, faulty=found.faulty).axes
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    dashed = [box for box in boxes if box.get_linestyle() == "--"]
    assert (len(boxes), len(dashed)) == (19, 14)
    assert [box.get_edgecolor() for box in boxes].count(colours.to_rgba(FAULT)) == 1
    assert {"conv1a", "pool2a", "fc16"} <= {text.get_text() for text in axes.texts}


BROKEN = ["inputs=norm1a,norm1b,conv9", "inputs=pool2a", "inputs=conv2a", "gpu=7", "gpu=999999999", "type=?"]


@pytest.mark.parametrize("broken", [*BROKEN[:2], *(pytest.param(one, marks=pytest.mark.exhaustive) for one in BROKEN[2:])])
def test_any_broken_section_can_be_drawn(tmp_path: Path, broken: str) -> None:
    key = broken.partition("=")[0]
    section = "[conv2a]\ntype=conv\ninputs=norm1a,norm1b\ngpu=0\n"
    lines = [line for line in section.splitlines() if not line.startswith(f"{key}=")]
    path = tmp_path / "mine.cfg"
    path.write_text((paths.nets() / "demo.cfg").read_text().replace(section, "\n".join([*lines, broken]) + "\n"))
    done = call("draw", path, *DEMO, "--gpus", "2", "-o", tmp_path / "x.png")
    assert isinstance(done.exception, LayerFileError) and (tmp_path / "x.png").exists()


# ---- bytes, gradients, strides


def test_arrows_say_their_bytes_and_where_gradients_go_back() -> None:
    definition = find_definition("demo")
    network = read_network(definition, find_parameters(definition), our_nets()["demo"].shape())
    figure = network_figure(network)
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert sorted(word for word in words if word.endswith((" B", "KiB", "MiB")))[:1] == ["1.5 MiB"]
    for copy in network.crossings():
        assert size_text(copy.bytes) in words
    assert words.count("784.0 KiB") == 2 and any("stride 2 → 28×28×16" in word for word in words)
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    red = [arrow for arrow in arrows if arrow.get_edgecolor() == colours.to_rgba(CROSSING)]
    assert len(red) == 5 and all(type(arrow.get_arrowstyle()).__name__ == "CurveFilledAB" for arrow in red)
    plain = [arrow for arrow in arrows if type(arrow.get_arrowstyle()).__name__ == "CurveFilledB"]
    assert len(plain) == 3, "the pictures twice and the labels: no gradient goes into data"


@pytest.mark.parametrize("name", ["demo", "two-column-120", "alexnet-2012"])
def test_bytes_lie_over_no_box_and_no_other_bytes(name: str) -> None:
    definition = find_definition(name)
    figure = network_figure(read_network(definition, find_parameters(definition), our_nets()[name].shape()))
    figure.canvas.draw()
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    labels = [t.get_window_extent(renderer) for t in axes.texts if t.get_text().endswith((" B", "KiB", "MiB"))]
    boxes = [patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert len(labels) > 5
    for i, label in enumerate(labels):
        assert not any(label.overlaps(other) for other in [*labels[i + 1 :], *boxes])


@pytest.mark.parametrize("size, text", [(512, "512 B"), (1024, "1.0 KiB"), (11_075_584, "10.6 MiB"), (2**31, "2.0 GiB")])
def test_sizes_in_words(size: int, text: str) -> None:
    assert size_text(size) == text


# ---- explaining and beginning


def test_explain_lists_and_explains() -> None:
    assert "cmrnorm" in call("explain").output and "schedules" in call("explain").output
    assert set(json.loads(call("explain", "--json").output)["types"]) >= {"conv", "fc", "hs"}
    text = call("explain", "conv", "PARTIALSUM").output
    assert "partialSum" in text and "divisor of the number of modules" in text and "example" in text
    assert "multiple" in call("explain", "conv", "filters").output
    keys = json.loads(call("explain", "conv", "--json").output)["keys"]
    assert {key["name"] for key in keys} >= {"filterSize", "epsW", "wc", "schedB", "quantF"}
    assert "tanh[a,b]" in call("explain", "neurons").output
    assert isinstance(call("explain", "conv", "paddng").exception, UserInputError)


def test_new_copies_both_files_that_read_as_the_same_network(tmp_path: Path) -> None:
    out = tmp_path / "mynet.cfg"
    done = call("new", "mynet", "--from", "demo", "--out", out)
    assert done.exit_code == 0 and str(paths.nets()) in done.output
    assert f"layers show {out} --image-size 56 --classes 16" in done.output
    assert (tmp_path / "mynet.params.cfg").is_file() and out.read_text().startswith("# mynet, begun as a copy of demo\n")
    shape = our_nets()["demo"].shape()
    ours = read_network(find_definition("demo"), find_parameters(find_definition("demo")), shape)
    assert read_network(out, find_parameters(out), shape) == ours


def test_new_overwrites_nothing_unasked(tmp_path: Path) -> None:
    (tmp_path / "n.params.cfg").write_text("mine")
    refused = call("new", "n", "-o", tmp_path)
    assert isinstance(refused.exception, UserInputError) and (tmp_path / "n.params.cfg").read_text() == "mine"
    assert not (tmp_path / "n.cfg").exists()
    facts = json.loads(call("new", "n", "-o", tmp_path, "--force", "--json").output)
    assert facts["definition"] == str(tmp_path / "n.cfg") and (tmp_path / "n.params.cfg").read_text() != "mine"


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", ".cfg"])
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    assert isinstance(call("new", name, "-o", tmp_path / "x.cfg").exception, UserInputError)
    assert not list(tmp_path.glob("*.cfg"))


def test_new_where_nothing_can_be_written(tmp_path: Path) -> None:
    assert isinstance(call("new", "n", "-o", tmp_path / "nowhere" / "n.cfg").exception, WriteError)
    assert isinstance(call("new", "n", "--from", "demmo", "-o", tmp_path / "n.cfg").exception, LayerFileError)


@pytest.mark.parametrize("keep", ["0", "1.5", "-0.1", "nan", "inf"])
def test_a_dropout_that_keeps_nothing_or_more_than_all_is_refused(base: Path, keep: str) -> None:
    base.write_text(BASE.replace("type=softmax", f"type=hs\nkeep={keep}"))
    error = call("check", base, *SIZES).exception
    assert isinstance(error, LayerFileError)
    assert [(p.kind, p.key, p.allowed) for p in error.problems] == [("X", "keep", "above 0, at most 1")]
    base.write_text(BASE.replace("type=softmax", "type=hs\nkeep=1"))
    assert call("check", base, *SIZES).exit_code == 0


# ---- finding files


def test_every_net_has_both_files_and_a_row() -> None:
    definitions = {p.name.removesuffix(".cfg") for p in paths.nets().glob("*.cfg") if not p.name.endswith(".params.cfg")}
    assert definitions == set(our_nets())
    assert all(find_parameters(find_definition(name)) == paths.nets() / f"{name}.params.cfg" for name in definitions)


def test_definitions_by_name(tmp_path: Path) -> None:
    (tmp_path / "layers-x.cfg").write_text("")
    (tmp_path / "demo.cfg").write_text("")
    assert find_definition("layers-x.cfg", [tmp_path]) == find_definition("layers-x", [tmp_path]) == tmp_path / "layers-x.cfg"
    assert find_definition("demo", [tmp_path]) == tmp_path / "demo.cfg", "search folders come first"
    assert find_definition("demo") == find_definition("demo.cfg") == paths.nets() / "demo.cfg"
    assert find_definition(tmp_path / "layers-x.cfg") == tmp_path / "layers-x.cfg"


@pytest.mark.parametrize("name, hint", [("two-colum-120", "two-column-120"), ("./demo.cfg", ""), ("/nowhere/x.cfg", "")])
def test_unknown_definitions(name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LayerFileError) as caught:
        find_definition(name)
    assert hint in str(caught.value)


def test_parameters_only_where_unambiguous(tmp_path: Path) -> None:
    definition = tmp_path / "layers-a.cfg"
    assert find_parameters(definition) is None
    (tmp_path / "layer-params-ab.cfg").write_text("")
    assert find_parameters(definition) is None
    (tmp_path / "layer-params-a.cfg").write_text("")
    assert find_parameters(definition) == tmp_path / "layer-params-a.cfg"
    (tmp_path / "layers-a.params.cfg").write_text("")
    assert find_parameters(definition) is None


def test_the_gradient_checkers_pair(tmp_path: Path) -> None:
    (tmp_path / "layer-params.gc.cfg").write_text("")
    assert find_parameters(tmp_path / "layers.gc.cfg") == tmp_path / "layer-params.gc.cfg"


def test_net_facts(tmp_path: Path) -> None:
    facts = net_facts("two-column-120")
    assert facts is not None and (facts.inner_size, facts.classes) == (224, 1000)
    assert net_facts(paths.nets() / "demo.cfg") == net_facts("demo") == our_nets()["demo"]
    assert net_facts(tmp_path / "demo.cfg") is None and net_facts("layers-120.cfg") is None


def test_a_bad_row_of_nets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "nets", lambda: tmp_path)
    for row, said in (("clases = 1", "did you mean classes"), ('description = "x"', "lacks")):
        our_nets.cache_clear()
        (tmp_path / "nets.toml").write_text(f"[n]\n{row}\n")
        with pytest.raises(LayerFileError, match=said):
            our_nets()
    our_nets.cache_clear()
