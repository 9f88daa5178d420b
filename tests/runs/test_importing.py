"""`import`: networks of today and what they make of pictures, beside what PyTorch and onnxruntime make of them."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import alexnet_archive as aa
from alexnet_archive import checkpoints, errors
from alexnet_archive.batches.predictions import mean_digest
from alexnet_archive.cli.main import main
from alexnet_archive.runs.classlists import read_classes, require_count
from alexnet_archive.runs.importing import ImportRequest, import_weights, recipes
from tests import today
from tests.reference import activities

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[bench]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install '.[test]'")
pytest.importorskip("onnx", reason="needs onnx: pip install '.[import]'")

PROBABILITY, RELATIVE = 1e-4, 1e-3
"""How far an answer and a layer may be from theirs; a layer relative to its largest number."""
CAFFE = {"order": "bgr", "mean": (104.0, 117.0, 123.0)}
TORCH = {"order": "rgb", "mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225), "pixel_range": 1}


def seen_by_caffe(pictures: Any) -> Any:
    return (pictures[:, ::-1] - np.array(CAFFE["mean"]).reshape(3, 1, 1)).astype(np.float32) / 8


def seen_by_torch(pictures: Any) -> Any:
    mean, deviation = (np.array(TORCH[key]).reshape(3, 1, 1) for key in ("mean", "deviation"))
    return ((pictures / 255 - mean) / deviation).astype(np.float32)


@functools.cache
def chain_of(net: str) -> list[today.Op]:
    return today.chain(net)


def write(kind: str, ops: list[today.Op], side: int, path: Path) -> Path:
    """A chain as a file of one of the formats."""
    if kind in ("state dict", "old state dict"):
        torch.save(today.as_state(ops), path, _use_new_zipfile_serialization=kind == "state dict")
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file(today.as_arrays(ops), path)
    elif kind == "npz":
        np.savez(path.open("wb"), **today.as_arrays(ops))
    elif kind == "onnx":
        path.write_bytes(today.as_onnx(ops, side))
    else:
        path.write_bytes(today.as_caffemodel(ops, side, old=kind == "old caffemodel"))
    return path


def engine_answers(path: Path, pictures: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Layer dictionaries, activities of every layer) of the reference engine on pictures (cases, 3, side, side) of 0..255."""
    loaded = checkpoints.load(path)
    mean = np.asarray(loaded.extension["input"]["mean"]).reshape(3, -1)
    assert mean.shape == (3, 1)
    names = [name for name, layer in loaded.layers.items() if layer["type"] not in ("data", "cost.logreg")]
    return loaded.layers, activities(loaded.layers, pictures - mean.reshape(3, 1, 1), names)


def compare(path: Path, pictures: Any, theirs: dict[str, Any]) -> None:
    """Every operation of the chain on the rows and columns that both have, and the answers."""
    layers, found = engine_answers(path, pictures)
    for name, expected in theirs.items():
        if name.startswith("dropout") or name == "probs":
            continue
        got = today.planes(layers, name, found)
        if expected.ndim == 4:
            side = min(expected.shape[2], got.shape[2])
            got, expected = got[:, :, :side, :side], expected[:, :, :side, :side]
        assert got.shape == expected.shape, name
        assert np.abs(got - expected).max() <= RELATIVE * np.abs(expected).max(), name
    difference = np.abs(found["probs"] - theirs["probs"]).max()
    assert difference <= PROBABILITY
    assert theirs["probs"].max() > 0.2 and np.ptp(theirs["probs"], axis=0).max() > 0.05, "the pictures must be told apart"


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["caffemodel", "old caffemodel", "onnx", "state dict"])
@pytest.mark.parametrize("net", ["caffe-alexnet", "caffenet"])
def test_caffes_nets_give_what_pytorch_and_onnxruntime_give(net: str, kind: str, tmp_path: Path) -> None:
    ops, pictures = chain_of(net), today.pictures(99)
    source = write(kind, ops, 99, tmp_path / "weights")
    done = import_weights(ImportRequest(
        source=source, layers=today.small(net, tmp_path), save=tmp_path, side=99, deviation=(8, 8, 8), **CAFFE
    ))  # fmt: skip
    theirs = today.by_torch(ops, seen_by_caffe(pictures))
    compare(done.path, pictures, theirs)
    answers = today.by_onnxruntime(today.as_onnx(ops, 99), seen_by_caffe(pictures))
    assert np.abs(answers - theirs["probs"]).max() <= PROBABILITY


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["state dict", "old state dict", "safetensors", "npz"])
def test_torchvisions_net_gives_what_pytorch_gives_on_a_side_where_windows_differ(kind: str, tmp_path: Path) -> None:
    ops, pictures = chain_of("torchvision-alexnet"), today.pictures(96)
    source = write(kind, ops, 96, tmp_path / "weights.safetensors" if kind == "safetensors" else tmp_path / "weights")
    layers = today.small("torchvision-alexnet", tmp_path)
    done = import_weights(ImportRequest(source=source, layers=layers, save=tmp_path, side=96, **TORCH))
    compare(done.path, pictures, today.by_torch(ops, seen_by_torch(pictures), ceil=False))


@pytest.mark.torch
def test_a_graph_of_a_side_that_2012_counts_otherwise_is_read_on_the_side_where_both_agree(tmp_path: Path) -> None:
    """On 100 pixels programs of today leave out the last window of the first convolution, and 2012 lets it hang over."""
    ops, pictures = chain_of("caffe-alexnet"), today.pictures(100)
    source = write("onnx", ops, 100, tmp_path / "net.onnx")
    request = ImportRequest(
        source=source, layers=today.small("caffe-alexnet", tmp_path), save=tmp_path, deviation=(8, 8, 8), **CAFFE
    )
    done = import_weights(request)
    assert done.side == 99
    _, found = engine_answers(done.path, pictures[:, :, :99, :99])
    theirs = today.by_onnxruntime(source.read_bytes(), seen_by_caffe(pictures))
    assert np.abs(found["probs"] - theirs).max() <= PROBABILITY
    with pytest.raises(errors.WeightsError, match="of them equal"):
        import_weights(ImportRequest(**{**vars(request), "side": 100}))


@pytest.mark.torch
def test_an_import_is_exported_and_read_again(tmp_path: Path) -> None:
    ops, pictures = chain_of("torchvision-alexnet"), today.pictures(96)
    layers = today.small("torchvision-alexnet", tmp_path)
    source = write("state dict", ops, 96, tmp_path / "weights")
    first = import_weights(ImportRequest(source=source, layers=layers, save=tmp_path, side=96, **TORCH))
    loaded, found = engine_answers(first.path, pictures)
    graph = aa.export_checkpoint(first.path, tmp_path / "out.onnx")
    centred = pictures - np.asarray(checkpoints.load(first.path).extension["input"]["mean"]).reshape(3, 1, 1)
    assert np.abs(today.by_onnxruntime(graph.read_bytes(), centred) - found["probs"]).max() <= PROBABILITY
    for kind in ("npz", "safetensors"):
        file = aa.export_checkpoint(first.path, tmp_path / f"out.{kind}")
        mean = tuple(float(v) for v in checkpoints.load(first.path).extension["input"]["mean"])
        again = import_weights(ImportRequest(source=file, layers=layers, save=tmp_path, side=96, mean=mean))
        for name, layer in checkpoints.load(again.path).layers.items():
            for mine, theirs in zip(layer.get("weights", []), loaded[name].get("weights", [])):
                np.testing.assert_array_equal(mine, theirs)


def write_pictures(folder: Path, pictures: Any) -> list[Path]:
    files = []
    for number, picture in enumerate(pictures):
        files.append(folder / f"{number}.png")
        Image.fromarray(picture.transpose(1, 2, 0)).save(files[-1])
    return files


def typed(*words: Any, status: int = 0) -> str:
    done = CliRunner().invoke(main, list(map(str, words)), env={"COLUMNS": "160"})
    if isinstance(done.exception, errors.ArchiveError):
        assert done.exception.exit_code == status, str(done.exception)
        return str(done.exception)
    assert done.exit_code == status, done.output + repr(done.exception)
    return done.output


@pytest.mark.torch
def test_the_command_imports_a_caffemodel_whose_run_names_classes_of_pictures(tmp_path: Path) -> None:
    ops = chain_of("caffe-alexnet")
    source = write("caffemodel", ops, 99, tmp_path / "net.caffemodel")
    words = tmp_path / "words.txt"
    words.write_text("".join(f"n{k:08d} kind {k}, of things\n" for k in range(10)), encoding="utf-8")
    printed = typed("import", source, "--layers", today.small("caffe-alexnet", tmp_path), "--classes", words, "--order", "bgr",
                    "--mean", "104,117,123", "--std", "8,8,8", "--save", tmp_path / "runs")  # fmt: skip
    assert "blue, green, red turned round" in printed and "conv4a, conv4b" in printed and "note" not in printed
    files = write_pictures(tmp_path, today.pictures(107, 4))
    classified = aa.classify(tmp_path / "runs", files)
    # What the network is given, JPEG and crop behind it, is what the other program is given.
    given = np.stack([np.rint(p.picture * 255).transpose(2, 0, 1) for p in classified.predictions])
    theirs = today.by_onnxruntime(today.as_onnx(ops, 99), seen_by_caffe(given))
    assert np.abs(classified.probabilities - theirs).max() <= PROBABILITY
    assert classified.as_rows()[0]["top"][0]["class"] == f"kind {theirs[0].argmax()}, of things"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of ten classes whose order is not that of their WordNet ids, with a mean of its own."""
    from alexnet_archive import batches

    folder = tmp_path_factory.mktemp("data")
    wnids = [f"n{(7 * k) % 10:08d}" for k in range(10)]
    pictures = today.pictures(107)
    meta = {"num_vis": 3 * 107**2, "data_mean": np.full((3 * 107**2, 1), 50, np.float32),
            "label_names": [f"name of {w}" for w in wnids],
            "wnids": wnids, "color_pca": (np.ones(3, np.float32), np.eye(3, dtype=np.float32)), "batch_size": 20,
            "dp_type": "inet-lr-cropped"}  # fmt: skip
    batches.write_meta(folder, meta)
    for number in (1, 2000):
        batches.write_batch(batches.batch_path(folder, number), {
            "data": np.ascontiguousarray(pictures.reshape(20, -1).T), "labels": [k % 10 for k in range(20)]
        })  # fmt: skip
    return folder


@pytest.mark.torch
def test_data_with_another_order_of_classes_and_another_mean_are_tested_as_the_network_was_trained(
    data: Path, tmp_path: Path
) -> None:
    ops = chain_of("caffe-alexnet")
    source, layers = write("onnx", ops, 99, tmp_path / "net.onnx"), today.small("caffe-alexnet", tmp_path)
    request = ImportRequest(source=source, layers=layers, save=tmp_path / "a", classes=data, deviation=(8, 8, 8), **CAFFE)
    import_weights(request)
    tested = aa.test(tmp_path / "a", data=data, out=tmp_path / "kept.npz")
    own = np.repeat(np.float32(checkpoints.load(tmp_path / "a").extension["input"]["mean"]), 107 * 107)
    assert aa.read_predictions(tmp_path / "kept.npz").about.mean_sha256 == mean_digest({"data_mean": own})
    crops = today.pictures(107)[:, :, 4:103, 4:103]
    theirs = today.by_onnxruntime(source.read_bytes(), seen_by_caffe(crops))
    wnids = [(7 * k) % 10 for k in range(10)]
    right = [theirs[k].argmax() == wnids[k % 10] for k in range(20)]
    cost = -np.log([theirs[k, wnids[k % 10]] for k in range(20)]).mean()
    (figures,) = tested.costs.values()
    assert figures[0] == pytest.approx(cost, rel=1e-3) and figures[1] == pytest.approx(1 - np.mean(right), abs=1e-6)
    import_weights(ImportRequest(**{**vars(request), "classes": None, "save": tmp_path / "b"}))
    with pytest.raises(errors.CheckpointError, match="not have the same classes"):
        aa.test(tmp_path / "b", data=data)


@pytest.mark.torch
def test_an_import_is_trained_on_and_keeps_its_mean(data: Path, tmp_path: Path) -> None:
    source = write("onnx", chain_of("caffe-alexnet"), 99, tmp_path / "net.onnx")
    layers = today.small("caffe-alexnet", tmp_path)
    parameters = tmp_path / "small-caffe-alexnet.params.cfg"
    gentle = re.sub(r"0\.0[12]\b", "0.00001", parameters.read_text(encoding="utf-8"))
    parameters.write_text(gentle, encoding="utf-8")
    done = import_weights(ImportRequest(source=source, layers=layers, save=tmp_path, data=data, deviation=(8, 8, 8), **CAFFE))
    trained = aa.train(resume=done.path, epochs=1, minibatch=20, test_frequency=1)
    assert trained.checkpoint is not None
    kept = checkpoints.load(trained.checkpoint)
    np.testing.assert_array_equal(kept.extension["input"]["mean"], np.float32([123, 117, 104]))
    assert kept.epoch == 1 and np.abs(kept.layers["fc8"]["weightsInc"][0]).max() > 0


@pytest.mark.torch
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("net", "kind", "side"),
    [("caffe-alexnet", "onnx", 224), ("caffenet", "caffemodel", 227), ("torchvision-alexnet", "state dict", 224)],
)  # fmt: skip
def test_nets_of_the_published_size_by_their_own_recipes(net: str, kind: str, side: int, tmp_path: Path) -> None:
    ops, pictures = today.chain(net, full=True, last=6), today.pictures(side)
    source = write(kind, ops, side, tmp_path / "weights")
    done = import_weights(ImportRequest(source=source, layers=net, save=tmp_path))
    assert done.side == {"caffe-alexnet": 223, "caffenet": 227, "torchvision-alexnet": 224}[net]
    mean = np.array([104.00698793, 116.66876762, 122.67891434]).reshape(3, 1, 1)
    seen = seen_by_torch(pictures) if net.startswith("torch") else (pictures[:, ::-1] - mean).astype(np.float32)
    _, found = engine_answers(done.path, pictures[:, :, : done.side, : done.side])
    if kind == "state dict":
        theirs = today.by_torch(ops, seen, ceil=False)["probs"]
    else:
        theirs = today.by_onnxruntime(today.as_onnx(ops, side), seen)
    assert np.abs(found["probs"] - theirs).max() <= PROBABILITY


def test_lists_of_classes_come_from_texts_kits_and_data_folders(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="the extra `imagenet` reads meta.mat")
    from tests.unit.batches import miniature

    miniature.devkit(tmp_path / "ILSVRC2012_devkit_t12.tar.gz", [1, 2])
    for place, count in ((tmp_path / "ILSVRC2012_devkit_t12.tar.gz", miniature.CLASSES), (data, 10)):
        listed = read_classes(place)
        order = listed.order()
        assert order is not None and len(listed.names) == count and order != sorted(order)
        assert [sorted(listed.wnids)[k] for k in order] == list(listed.wnids)
    for text, names, wnids in (
        ("tench, Tinca\n\ngoldfish\n", ("tench, Tinca", "goldfish"), ()),
        ("n01443537 goldfish\nn01440764 tench, Tinca\n", ("goldfish", "tench, Tinca"), ("n01443537", "n01440764")),
    ):
        (tmp_path / "names.txt").write_text(text, encoding="utf-8")
        listed = read_classes(tmp_path / "names.txt")
        assert (listed.names, listed.wnids, listed.order()) == (names, wnids, None)
    with pytest.raises(errors.UserInputError, match="does not fit"):
        require_count(listed, 3, "names.txt")
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.UserInputError, match="no list of classes"):
        read_classes(tmp_path / "names.txt")


def test_what_was_mistyped_is_named_by_its_option(tmp_path: Path) -> None:
    source = write("onnx", chain_of("caffenet"), 99, tmp_path / "net.onnx")
    layers = today.small("caffenet", tmp_path)
    for words, named in (
        (("--mean", "1,2"), "--mean"),
        (("--std", "1,0,1", "--mean", "1,2,3", "--order", "rgb"), "--std"), (("--range", "x"), "--range"),
        (("--order", "gbr", "--mean", "1,2,3"), "--order"),
        (("--order", "rgb", "--mean", "0.5,256,3"), "--mean"),
        (("--order", "rgb", "--mean", "1,2,3", "--range", "1"), "--range says"), ((), "nothing says how"),
    ):  # fmt: skip
        assert named in typed("import", source, "--layers", layers, "--save", tmp_path / "runs", *words, status=3)
    assert not (tmp_path / "runs").exists()


def test_pictures_in_another_order_of_channels_are_the_same_pictures() -> None:
    for recipe in recipes().values():
        other = recipe.in_order("rgb" if recipe.order == "bgr" else "bgr")
        np.testing.assert_array_equal(other.mean_in_pixels(), recipe.mean_in_pixels())
        assert other.pictures().deviation == recipe.pictures().deviation and other.pictures().order != recipe.pictures().order
