"""What is read from outside: for each kind of file the reader of the commands, examples, and mutations that know its form."""

from __future__ import annotations

import datetime
import functools
import hashlib
import io
import random
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import batches, checkpoints, layerdefs, pickles, runs
from alexnet_archive.archive import manifests, packguard, sources, staging
from alexnet_archive.batches import codec
from alexnet_archive.batches.check import check_folder
from alexnet_archive.batches.convert import ConvertOptions, convert, devkit, listing
from alexnet_archive.checkpoints import seal, store
from alexnet_archive.layerdefs import cropped_shape
from alexnet_archive.runs import history
from alexnet_archive.toolchains import locks, table
from tests.conftest import ROOT
from tests.fuzz import tables, weights
from tests.fuzz.mutations import lines, pickled, rezipped, spliced, tarred, zipped
from tests.fuzz.target import Target, in_file
from tests.unit.archive.test_packguard import entry, pack
from tests.unit.batches import cifars, formats, miniature, samples

TINY = ROOT / "tests" / "data" / "tiny.cfg"
SHAPE = cropped_shape(16, 4)
LIMITS = staging.Limits(files=200, file_bytes=1 << 20, total_bytes=4 << 20)


@functools.cache
def run_files() -> tuple[bytes, bytes, bytes, bytes]:
    """(checkpoint, batch of JPEGs, plain batch, meta) of a tiny net that was trained for two batches on random pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        samples.write_meta(folder)
        for number in (1, 2, 3):
            samples.write_jpeg_batch(folder, number, 16)
        samples.write_raw_batch(folder, 4, 16)
        request = runs.Request(
            layers=TINY, params=TINY.with_suffix(".params.cfg"), data=folder, train_range=[1, 2], test_range=[3], minibatch=16,
            epochs=1, test_frequency=1, crop_border=0, seed=1, save=folder / "runs",
        )  # fmt: skip
        done = runs.train(request)
        names = [batches.batch_path(folder, 1), batches.batch_path(folder, 4), folder / batches.META_NAME]
        one, plain, meta = (path.read_bytes() for path in names)
        return done.checkpoint.read_bytes(), one, plain, meta


def values_of(*files: bytes) -> list[Any]:
    return [pickles.load(io.BytesIO(data), encoding="latin1") for data in files]


@functools.cache
def checkpoint_values() -> list[Any]:
    """A checkpoint without the digests of its parts, which would refuse every change before a key is looked at; and as 2012's
    programs leave it, without our extension."""
    ours, theirs = values_of(run_files()[0], run_files()[0])
    del ours[store.EXTENSION][seal.DIGESTS]
    del theirs[store.EXTENSION]
    return [ours, theirs]


def read_checkpoint(path: Path) -> None:
    checkpoints.load(path)
    history.summary(path.parent)


def read_data(folder: Path, batch: bytes, meta: bytes, kind: str = "inet-lr-cropped-jpeg") -> None:
    """As `batches check` and training read a data folder."""
    (folder / batches.META_NAME).write_bytes(meta)
    batches.batch_path(folder, 1).write_bytes(batch)
    check_folder(folder)
    with batches.open_provider(kind, folder, [1], test=False, options=batches.ProviderOptions(crop_border=0)) as provider:
        provider.next()


@functools.cache
def predictions() -> bytes:
    """A file of predictions for the pictures of `run_files`: two batches of the same pictures, four classes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, table = Path(scratch), np.full((16, samples.CLASSES), 0.25, np.float32)
        samples.write_meta(folder)
        batches.batch_path(folder, 1).write_bytes(run_files()[1])
        pictures = batches.stored_pictures(folder, 1)
        about = batches.About("net", "run/1.2", "reference", 10, **batches.about_data(batches.read_meta(folder)))
        with batches.predictions_writer(folder / "p.npz", about) as writer:
            for number in (1, 2):
                writer.add(number, len(pictures), pictures, table)
        return (folder / "p.npz").read_bytes()


def predictions_of_2012() -> bytes:
    run_files()  # made before the first reading, whose writing is counted
    return pickles.dumps({"data": np.full((16, samples.CLASSES), 0.25, np.float32), "note": b"/x/ConvNet__y"})


def read_predictions_of_2012(folder: Path, data: bytes) -> object:
    """As `ensemble` reads a folder of them, beside the pictures that they were made from."""
    (folder / batches.META_NAME).write_bytes(run_files()[3])
    batches.batch_path(folder, 1).write_bytes(run_files()[1])
    (folder / "preds").mkdir()
    (folder / "preds" / "test_preds_1").write_bytes(data)
    return batches.open_predictions(folder / "preds", folder).probabilities


def read_definition(path: Path) -> None:
    layerdefs.inspect_network(path, None, SHAPE)
    layerdefs.read_network(path, None, SHAPE)


def read_parameters(path: Path) -> None:
    layerdefs.read_network(TINY, path, SHAPE).to_dicts(np.random.RandomState(1))


def read_tar_of_pictures(path: Path) -> None:
    findings: list[Any] = []
    for _ in listing.list_planned(listing.plan_tar(path), 1, findings):
        pass


def read_numbers(path: Path) -> None:
    """As `convert` does, to the end: pictures that are numbers are read when their batch is made."""
    convert(path, path.parent / "out", ConvertOptions(workers=1))


@functools.cache
def cifar_members() -> dict[str, bytes]:
    made = cifars.files("python10", cifars.small(1, 10), cifars.small(2, 2))
    return {f"cifar-10-batches-py/{name}": data for name, data in made.items()}


@functools.cache
def arrays() -> tuple[bytes, ...]:
    kept = []
    numbers, names = np.arange(4) % 2, np.array(["a", "b"] * 2)
    for values, labels in ((np.zeros((4, 9, 8), np.uint16), numbers), (np.ones((4, 8, 8, 4)), names)):
        stream = io.BytesIO()
        np.savez(stream, x_train=values, y_train=labels)
        kept.append(stream.getvalue())
    return tuple(kept)


def stage(kind: str, path: Path) -> None:
    place = path.parent / "place"
    place.mkdir()
    stager = staging.Stager(place, LIMITS)
    {"tar": sources.stage_tar, "zip": sources.stage_zip}[kind](path, stager, unwrap=True)
    stager.finish()


def read_pack(path: Path) -> None:
    """A pack's own damage is the library's to find: these three are what gitsource expects of it."""
    try:
        with path.open("rb") as stream:
            packguard.check_pack(stream, LIMITS)
    except (EOFError, ValueError, zlib.error):
        pass


def example_members() -> dict[str, bytes]:
    return {"README.md": b"read me", "src/net.cu": b"int x;\n" * 40, "layers/a.cfg": TINY.read_bytes(), "data/x": b"\0" * 900}


def encoded(picture: Any, *kinds: str) -> list[bytes]:
    return [samples.encoded(picture, kind) for kind in kinds]


@functools.cache
def pictures() -> tuple[bytes, ...]:
    many = encoded(samples.photograph(1), "JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
    odd = (row.data() for row in formats.table)
    return (*many, *odd, *miniature.oddities().values(), *(data for data, _ in miniature.unusable().values()))


def texts(*paths: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in paths]


def example_manifest() -> str:
    """A manifest as `acquire` writes it."""
    content = b"content\n"
    digest, name = hashlib.sha256(content).hexdigest(), manifests.git_id("blob", content)
    file = manifests.FileRecord("a.txt", digest, len(content), "100644", name, 0)
    now = datetime.datetime(2025, 3, 21, tzinfo=datetime.UTC)
    identity = manifests.Identity("first-seen", "x", "tar", now, manifests.tree_id([file]))
    return manifests.dump(manifests.Manifest(identity, (file,)))


def kit() -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "ILSVRC2012_devkit_t12.tar.gz"
        miniature.devkit(path, [1, 2, 3, 4, 5])
        return path.read_bytes()


@functools.cache
def meta_mats() -> tuple[bytes, ...]:
    return miniature.meta_mat(), miniature.meta_mat(2010)


def kit_members() -> dict[str, bytes]:
    return {
        "k/data/meta.mat": miniature.meta_mat(),
        "k/data/ILSVRC2012_validation_ground_truth.txt": b"1\n2\n3\n",
    }


def inner_tars() -> dict[str, bytes]:
    inner = tarred({f"n{k}.JPEG": pictures()[0] for k in range(4)})(random.Random(1))
    return {"n00000001.tar": inner, "n00000002.tar": inner, "a.JPEG": pictures()[0]}


PACKS = (pack(entry(3, b"a" * 300), entry(2, b"b")).getvalue(), pack(entry(1, b"c" * 50)).getvalue())
LOCKS = sorted((ROOT / "docker" / "pins").glob("*.lock"))
NETS = sorted(path for path in (ROOT / "harness").rglob("*.cfg"))
DEFINITIONS = [path for path in NETS if "params" not in path.name]

TARGETS = (
    *weights.TARGETS,
    *tables.TARGETS,
    Target(
        "checkpoint", "checkpoint of a run, or of 2012",
        lambda: [run_files()[0], *map(pickles.dumps, checkpoint_values())],
        lambda: pickled(checkpoint_values()), in_file("1.2", read_checkpoint),
    ),
    Target(
        "batch", "batch file of JPEGs", lambda: [run_files()[1]], lambda: pickled(values_of(run_files()[1])),
        lambda folder, data: read_data(folder, data, run_files()[3]),
    ),
    Target(
        "plain-batch", "batch file of plain pictures", lambda: [run_files()[2]], lambda: pickled(values_of(run_files()[2])),
        lambda folder, data: read_data(folder, data, run_files()[3], "inet-lr-cropped"),
    ),
    Target(
        "meta", "batches.meta of a data folder", lambda: [run_files()[3]], lambda: pickled(values_of(run_files()[3])),
        lambda folder, data: read_data(folder, run_files()[1], data),
    ),
    Target(
        "test-preds", "file of predictions of 2012", lambda: [predictions_of_2012()],
        lambda: pickled(values_of(predictions_of_2012())), read_predictions_of_2012,
    ),
    Target(
        "predictions", "file of predictions", lambda: [predictions()], lambda: rezipped(predictions()),
        in_file("p.npz", lambda path: batches.open_predictions(path).probabilities),
    ),
    Target(
        "definition", "layer definition", lambda: [p.read_bytes() for p in [TINY, *DEFINITIONS]],
        lambda: lines(texts(TINY, *DEFINITIONS)), in_file("x.cfg", read_definition),
    ),
    Target(
        "parameters", "layer parameters", lambda: [TINY.with_suffix(".params.cfg").read_bytes()],
        lambda: lines(texts(TINY.with_suffix(".params.cfg"))), in_file("x.cfg", read_parameters),
    ),
    Target(
        "pictures-tar", "tar of pictures, tars in tars", lambda: [tarred(inner_tars())(random.Random(k)) for k in range(4)],
        lambda: tarred(inner_tars(), ("n00000001.tar", "n00000002.tar")), in_file("x.tar", read_tar_of_pictures),
    ),
    Target(
        "cifar", "CIFAR as published, packed", lambda: [tarred(cifar_members())(random.Random(k)) for k in range(4)],
        lambda: tarred(cifar_members()), in_file("cifar-10-python.tar.gz", read_numbers),
    ),
    Target(
        "arrays", "pictures and labels of NumPy", lambda: list(arrays()), lambda: spliced(arrays),
        in_file("pictures.npz", read_numbers),
    ),
    Target(
        "devkit", "development kit of ImageNet", lambda: [kit()], lambda: tarred(kit_members()),
        in_file("ILSVRC2012_devkit_t12.tar.gz", devkit.read_devkit),
    ),
    Target(
        "devkit-meta", "meta.mat of a kit", lambda: list(meta_mats()), lambda: spliced(meta_mats),
        in_file("meta.mat", lambda path: devkit.read_devkit(path.parent)),
    ),
    Target(
        "picture", "picture, JPEG and others", lambda: list(pictures()), lambda: spliced(pictures),
        lambda folder, data: codec.decode_for(data, 32, crop=True, rules=codec.Rules(max_pixels=1 << 22)),
    ),
    Target(
        "release-tar", "tar to acquire from", lambda: [tarred(example_members())(random.Random(k)) for k in range(4)],
        lambda: tarred(example_members()), in_file("x.tar", functools.partial(stage, "tar")),
    ),
    Target(
        "release-zip", "zip to acquire from", lambda: [zipped(example_members())(random.Random(k)) for k in range(4)],
        lambda: zipped(example_members()), in_file("x.zip", functools.partial(stage, "zip")),
    ),
    Target(
        "git-pack", "pack of a git server", lambda: [PACKS[0]],
        lambda: spliced(lambda: PACKS), in_file("x.pack", read_pack),
    ),
    Target(
        "manifest", "manifest of an acquired release", lambda: [example_manifest().encode()],
        lambda: lines([example_manifest()]), in_file("manifest.toml", manifests.load),
    ),
    Target(
        "lock", "lock of a toolchain", lambda: [p.read_bytes() for p in LOCKS], lambda: lines(texts(*LOCKS), between=" "),
        in_file("x", lambda path: locks.parse(path.read_text(encoding="utf-8", errors="replace"), "cpu", path)),
    ),
    Target(
        "toolchains", "table of toolchains", lambda: [(ROOT / "docker" / "toolchains.toml").read_bytes()],
        lambda: lines(texts(ROOT / "docker" / "toolchains.toml")),
        in_file("x", lambda path: table.parse(path.read_text(encoding="utf-8", errors="replace"), path)),
    ),
)  # fmt: skip
BY_NAME = {target.name: target for target in TARGETS}
