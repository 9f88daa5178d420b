"""`exhibit OUT --checkpoint RUN`: what lies in the folder is what contract.ts says, and what the run says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet_archive import checkpoints, paths
from alexnet_archive.checkpoints import film
from alexnet_archive.errors import CheckpointError, ExportError, MissingToolError, UserInputError
from alexnet_archive.exhibit.interactive import MARKER, Wishes
from alexnet_archive.runs import Request, exhibit_network, open_run, train
from alexnet_archive.training import rows
from tests.runs.conftest import BORDER, DATA, train_tiny
from tests.runs.exhibit_page import build, interfaces
from tests.typed import Told

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("page"))


@pytest.fixture(autouse=True)
def built(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "exhibit_page", lambda: page)


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tiny_data, tmp_path_factory.mktemp("runs"), epochs=4, test_frequency=3)


@pytest.fixture(scope="module")
def folder(run: Path, page: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exhibit") / "museum"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "exhibit_page", lambda: page)
        exhibit_network(run, out, wishes=Wishes("A title", ("de", "en"), True))
    return out


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "data" / "exhibit.json").read_text(encoding="utf-8"))
    return found


def test_every_record_has_the_fields_of_the_contract(root: Path, facts: dict[str, Any], folder: Path) -> None:
    notebook, net, known = json.loads((folder / "data" / "notebook.json").read_text()), facts["net"], interfaces(root)
    frame = facts["film"]["frames"][-1]
    strips = [layer["filters"] for layer in net["layers"] if layer["filters"]]
    records: dict[str, list[Any]] = {
        "Exhibit": [facts], "Net": [net], "Input": [net["input"]], "NetClass": net["classes"], "Layer": net["layers"],
        "Window": [one for layer in net["layers"] for one in layer["windows"] or ()],
        "FilterStrip": [*strips, *frame["filters"].values()], "Device": net["devices"], "Crossing": net["crossings"],
        "Switch": net["switches"], "Picture": facts["pictures"], "Patches": facts["patches"], "History": [facts["history"]],
        "Film": [facts["film"]], "Frame": facts["film"]["frames"], "Release": [facts["release"]], "Notebook": [notebook],
        "Run": notebook["runs"], "Change": [one["change"] for one in notebook["runs"] if one["change"]],
        "Step": [step for one in notebook["runs"] for step in one["steps"]], "PaperRow": notebook["paper"],
    }  # fmt: skip
    assert set(known) - set(records) == {"Curator", "CuratorPicture", "Photograph"}
    for name, found in records.items():
        assert found, name
        for row in found:
            assert row.keys() == known[name], name


def test_files_that_are_named_are_there_and_no_others(folder: Path, facts: dict[str, Any]) -> None:
    text = json.dumps(facts)
    named = set(re.findall(r'"(data/[^"]+\.\w+)"', text)) | {"data/exhibit.json", "data/notebook.json", "data/net.onnx"}
    assert named == {path.relative_to(folder).as_posix() for path in (folder / "data").rglob("*") if path.is_file()}
    assert (folder / MARKER).is_file() and (folder / "index.html").is_file() and (folder / "texts" / "de.json").is_file()
    assert facts["defaults"] == {"title": "A title", "languages": ["de", "en"], "kiosk": True}


def pixels(folder: Path, picture: dict[str, Any], side: int) -> np.ndarray:
    image = np.asarray(Image.open(folder / picture["file"])).transpose(2, 0, 1)
    border = (picture["side"] - side) // 2
    return image[:, border : border + side, border : border + side].astype(np.float32)


def session(folder: Path) -> Any:
    return onnxruntime.InferenceSession((folder / "data" / "net.onnx").read_bytes(), providers=["CPUExecutionProvider"])


def test_the_graph_answers_to_the_pictures_as_the_reference_engine_does(folder: Path, facts: dict[str, Any], run: Path) -> None:
    net = facts["net"]
    squares = np.stack([pixels(folder, one, net["input"]["side"]) for one in facts["pictures"]])
    feeds = {one["input"]: np.ones(one["shape"], np.float32) for one in net["switches"]}
    (found,) = session(folder).run([net["answer"]], {net["input"]["name"]: squares, **feeds})
    with open_run(Request(resume=run), training=False) as opened:
        data = np.asfortranarray((squares - opened.data.test.mean).reshape(len(squares), -1).T)
        wanted, _ = opened.engine.features([data, np.zeros((1, len(squares)), np.float32)], [net["answer"]])
    assert len(squares) >= 24 and np.abs(found - np.asarray(wanted[net["answer"]])).max() < 1e-4


def test_the_strongest_patch_is_where_the_filter_responds_most(folder: Path, facts: dict[str, Any]) -> None:
    net = facts["net"]
    layer = next(one for one in net["layers"] if one["name"] == "conv1a")
    feeds = {one["input"]: np.ones(one["shape"], np.float32) for one in net["switches"]}
    (patches,) = (one["strongest"] for one in facts["patches"] if one["layer"] == "conv1a")
    found = [(index, one) for index, one in enumerate(patches) if one is not None]
    assert len(patches) == layer["shape"][0] and found
    for index, one in found:
        square = pixels(folder, facts["pictures"][one["picture"]], net["input"]["side"])
        (responses,) = session(folder).run([layer["tensor"]], {net["input"]["name"]: square[None], **feeds})
        y, x = np.unravel_index(responses[0, index].argmax(), responses.shape[2:])
        sees = layer["sees"]
        assert (one["x"], one["y"], one["side"]) == (*(sees["start"] + sees["step"] * int(k) for k in (x, y)), sees["side"])
        assert responses.max() >= responses[0, index].max() == pytest.approx(one["response"], rel=1e-4)


def test_a_unit_sees_the_part_of_the_picture_that_moves_it(folder: Path, facts: dict[str, Any]) -> None:
    """A change outside of it leaves the unit as it is; a change of all of it does not."""
    net, rng = facts["net"], np.random.default_rng(2)
    side, feeds = net["input"]["side"], {one["input"]: np.ones(one["shape"], np.float32) for one in net["switches"]}
    runs, before = session(folder), rng.uniform(0, 255, (1, 3, net["input"]["side"], net["input"]["side"])).astype(np.float32)
    for layer in (one for one in net["layers"] if one["sees"] and one["role"] not in ("picture",)):
        y, x, sees = layer["shape"][1] // 2, layer["shape"][2] - 1, layer["sees"]
        rows, columns = ([k for k in range(side) if 0 <= k - sees["start"] - sees["step"] * at < sees["side"]] for at in (y, x))
        inside = np.zeros((side, side), bool)
        inside[np.ix_(rows, columns)] = True
        other = rng.uniform(0, 255, before.shape).astype(np.float32)
        tensor = layer["before"] or layer["tensor"]
        results = [
            runs.run([tensor], {net["input"]["name"]: picture.astype(np.float32), **feeds})[0][0, :, y, x]
            for picture in (before, np.where(inside, before, other), np.where(inside, other, before))
        ]
        np.testing.assert_array_equal(results[0], results[1], err_msg=layer["name"])
        assert np.abs(results[0] - results[2]).max() > 1e-5, layer["name"]


def test_the_network_is_described_as_its_definition_has_it(facts: dict[str, Any]) -> None:
    from alexnet_archive.layerdefs import cropped_shape, read_network

    network, net = read_network(DATA / "tiny.cfg", None, cropped_shape(16, 4)), facts["net"]
    totals = network.totals().both
    assert (net["parameters"], net["multiply_adds"]) == (totals.parameters, totals.multiply_adds)
    crossings = {(one.from_gpu, one.to_gpu, one.bytes) for one in network.crossings(1) if one.source != "labels"}
    assert {(one["from_device"], one["to_device"], one["bytes"]) for one in net["crossings"]} == crossings
    assert net["kind"] == "other" and [one["name"] for one in net["classes"]] == [f"stripes{k}" for k in range(4)]
    by_name = {one["name"]: one for one in net["layers"]}
    assert by_name["fc2b"]["neuron"] == "tanh" and by_name["conv1a"]["tensor"] == "conv1a_neuron"
    assert {one["id"]: set(one["masks"]) for one in net["devices"]} == {
        0: {"conv1a_neuron/switch", "fc2a_neuron/switch"}, 1: {"conv1b_neuron/switch", "fc2b_neuron/switch"},
    }  # fmt: skip
    assert all(by_name[parent]["rank"] < one["rank"] for one in net["layers"] for parent in one["parents"])


def test_the_demo_and_the_paper_are_known_by_their_layers() -> None:
    from alexnet_archive.exhibit.interactive.network import kind
    from alexnet_archive.layerdefs import cropped_shape, read_network

    nets = (("demo", 56, 16, "demo"), ("alexnet-2012", 224, 1000, "paper"), ("cifar-conv", 32, 10, "other"))
    for name, side, classes, told in nets:
        network = read_network(paths.nets() / f"{name}.cfg", None, cropped_shape(side, classes))
        layers = {one.name: {"type": one.type, "outputs": one.outputs, "gpu": one.gpu} for one in network.layers}
        assert kind(layers, side, classes) == told


def test_the_notebook_tells_what_changed_and_what_it_bought(folder: Path) -> None:
    runs = {one["id"]: one for one in json.loads((folder / "data" / "notebook.json").read_text())["runs"]}
    change = runs["148"]["change"]
    assert change["from"] == "145" and any("norm" in one for one in [*change["removed"], *change["added"]])
    assert change["top5"] == pytest.approx(runs["148"]["top5"] - runs["145"]["top5"]) and change["top5"] > 0.01
    for one in runs.values():
        parent = runs.get((one["change"] or {}).get("from"), one)
        if one["change"] and one["change"]["top5"] is not None:
            assert (one["dataset"], one["centre_only"]) == (parent["dataset"], parent["centre_only"])


def test_the_curators_file_and_files_stay_and_what_an_exhibit_wrote_is_replaced(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "museum"
    exhibit_network(run, out)
    (out / "exhibit.toml").write_text('title = "Ours"\n', encoding="utf-8")
    (out / "logo.png").write_bytes(b"logo")
    (out / "data" / "old.bin").write_bytes(b"old")
    exhibit_network(run, out)
    assert (out / "exhibit.toml").read_text(encoding="utf-8") == 'title = "Ours"\n' and (out / "logo.png").is_file()
    assert not (out / "data" / "old.bin").exists() and not list(out.glob(".making-*"))


def test_a_run_that_was_copied_elsewhere_keeps_the_films_pictures_and_says_so(run: Path, tmp_path: Path) -> None:
    kept = film.of(checkpoints.load(run))
    copied = shutil.copytree(run, tmp_path / "copied")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        from alexnet_archive.runs import exhibiting

        def away(checkpoint: Any, given: Any) -> Path:
            raise CheckpointError("the data folder is not here", path="gone", remedy="name it with --data")

        patch.setattr(exhibiting, "data_folder", away)
        exhibit_network(copied, tmp_path / "out", leave_out=lambda what, why: said.append(f"{what}: {why}"))
        facts = json.loads((tmp_path / "out" / "data" / "exhibit.json").read_text())
        assert (
            kept is not None and len(facts["pictures"]) == len(kept.pictures) and all(one["shown"] for one in facts["pictures"])
        )
        assert facts["patches"] == [] and {one["what"] for one in facts["left_out"]} == {"pictures", "patches"}
        assert any("gone" in one and "--data" in one for one in said)
        bare = checkpoints.load(copied)
        del bare.extension[film.ENTRY]
        checkpoints.save(copied, bare, rows(bare.options))
        with pytest.raises(CheckpointError, match="not here"):
            exhibit_network(copied, tmp_path / "out", leave_out=lambda what, why: said.append(f"{what}: {why}"))


@pytest.mark.parametrize(
    ("what", "error", "told"),
    [
        ("foreign folder", UserInputError, "no exhibit made"), ("foreign file", UserInputError, "no exhibit made it"),
        ("no run", CheckpointError, "no checkpoint"), ("an exhibit as run", CheckpointError, "is an exhibit"),
        ("unknown language", UserInputError, "no texts in xx"), ("not built", MissingToolError, "make exhibit"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(
    what: str, error: type[Exception], told: str, run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, source, wishes, single = tmp_path / "out", run, None, False
    if what == "foreign folder":
        out.mkdir()
        (out / "thesis.txt").write_text("years of work", encoding="utf-8")
    elif what == "foreign file":
        single = True
        out.write_text("<!doctype html>years of work", encoding="utf-8")
    elif what == "no run":
        source = tmp_path
    elif what == "an exhibit as run":
        source = folder
    elif what == "unknown language":
        wishes = Wishes(languages=("en", "xx"))
    else:
        monkeypatch.setattr(paths, "exhibit_page", lambda: tmp_path / "nothing")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(error) as raised:
        exhibit_network(source, out, wishes=wishes, single=single)
    assert told in f"{raised.value.message} {raised.value.remedy}"  # type: ignore[attr-defined]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_one_file_takes_the_curators_file_beside_it_and_what_that_names(run: Path, tmp_path: Path) -> None:
    (tmp_path / "exhibit.toml").write_text('title = { en = "Ours" }\nlogo = "logo.png"\n', encoding="utf-8")
    (tmp_path / "logo.png").write_bytes(b"logo")
    exhibit_network(run, tmp_path / "exhibit.html", single=True)
    text = (tmp_path / "exhibit.html").read_text(encoding="utf-8")
    held = dict(re.findall(r'<script type="text/plain" data-file="([^"]+)">([^<]*)</script>', text))
    assert base64.b64decode(held["logo.png"]) == b"logo" and b"Ours" in base64.b64decode(held["exhibit.toml"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('titel = "x"', "did you mean title"), ("title = ", "cannot be read"), ('kiosk = "yes"', "kiosk is of another kind"),
        ("idle_seconds = true", "idle_seconds"), ('scenes = ["show", "win"]', "no scene win"),
        ('logo = "gone.png"', "gone.png"), ('logo = "../out.html"', "outside"),
        ("[[pictures]]\ntitle = 'x'", "no file"), ("pictures = [1]", "table"),
    ],
)  # fmt: skip
def test_a_curators_file_that_the_page_could_not_use_is_one_clear_error(
    text: str, told: str, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "exhibit.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserInputError) as raised:
        exhibit_network(run, tmp_path / "exhibit.html", single=True)
    assert told in str(raised.value) + str(raised.value.remedy) and not (tmp_path / "exhibit.html").exists()


def test_a_network_that_no_browser_can_compute_is_told_what_works(tiny_data: Path, tmp_path: Path) -> None:
    wanted = Request(
        layers=DATA / "tiny.cfg", params=DATA / "tiny.params.cfg", data=tiny_data, minibatch=64, epochs=1, train_range=[1],
        crop_border=BORDER, save=tmp_path, conv_to_local=["conv1a"], seed=1,
    )  # fmt: skip
    folder = train(wanted).folder
    assert folder is not None
    with pytest.raises(ExportError, match="local") as raised:
        exhibit_network(folder, tmp_path / "out")
    assert "--out PAGE" in str(raised.value.remedy)


def test_a_demo_without_a_built_page_ends_all_the_same(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alexnet_archive.runs import demo

    monkeypatch.setattr(paths, "exhibit_page", lambda: tmp_path / "nothing")
    heard: list[Any] = []
    assert demo._exhibit(run, tmp_path / "exhibit.html", heard.append) is None
    assert "make exhibit" in heard[0].text and not (tmp_path / "exhibit.html").exists()


def test_one_file_holds_everything_and_names_its_script_and_style(run: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "exhibit.html"
    exhibit_network(run, out, single=True)
    text = out.read_text(encoding="utf-8")
    held = dict(re.findall(r'<script type="text/plain" data-file="([^"]+)">([^<]*)</script>', text))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    in_page = {"index.html", "assets/exhibit.js", "assets/exhibit.css", MARKER}
    assert held.keys() == files.keys() - in_page
    assert base64.b64decode(held["data/net.onnx"]) == files["data/net.onnx"].read_bytes()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for part in (script, style):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" in policy
    assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy and "http" not in policy
    assert "src=" not in text and "<!--" not in script and 'data-single="yes"' in text
    exhibit_network(run, out, single=True)  # its own page it may write over


def test_the_command(run: Path, tmp_path: Path, told: Told) -> None:
    out = tmp_path / "museum"
    code, text, err = told("exhibit", out, "--checkpoint", run, "--lang", "de, en", "--kiosk", "--json")
    assert (code, err) == (0, "") and json.loads(text)["page"] == str(out / "index.html")
    facts = json.loads((out / "data" / "exhibit.json").read_text())
    assert facts["defaults"] == {"title": None, "languages": ["de", "en"], "kiosk": True}
    assert told("exhibit", out)[0] == 2 and told("exhibit", run, "--out", tmp_path / "page.html", "--kiosk")[0] == 2
