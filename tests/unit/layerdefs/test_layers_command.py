"""The command `layers`, finding files by name, and the drawing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import matplotlib.colors as colours
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from alexnet_archive import paths
from alexnet_archive.cli.convert import convert
from alexnet_archive.cli.layers import layers
from alexnet_archive.errors import BatchFileError, LayerFileError, UserInputError
from alexnet_archive.exhibit.network import CROSSING, network_figure
from alexnet_archive.layerdefs import find_definition, find_parameters, net_facts, our_nets, read_network
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


@pytest.mark.parametrize("command", [[], ["check"], ["show"], ["draw"], ["nets"]])
def test_help_has_an_example(command: list[str]) -> None:
    assert "Example: alexnet-archive layers" in call(*command, "--help").output


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
