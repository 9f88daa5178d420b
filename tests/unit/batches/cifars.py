"""Sets of the published shape of CIFAR-10 and CIFAR-100, small: every version of the same pictures."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive import pickles

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FOLDERS = {
    "python10": "cifar-10-batches-py", "binary10": "cifar-10-batches-bin", "python100": "cifar-100-python",
    "binary100": "cifar-100-binary", "columns": "cifar-10-py-colmajor",
}  # fmt: skip


@dataclass(frozen=True)
class Small:
    """Pictures (n, 3, 32, 32) uint8, classes and coarse classes."""

    pictures: np.ndarray
    labels: list[int]

    def part(self, number: int, of: int) -> Small:
        size = len(self.labels) // of
        return Small(self.pictures[number * size : (number + 1) * size], self.labels[number * size : (number + 1) * size])

    @property
    def rows(self) -> np.ndarray:
        return self.pictures.reshape(len(self.labels), -1)


def small(seed: int, count: int, classes: int = 10) -> Small:
    """Pictures that can be told apart: each class has stripes of its own direction and colour, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    y, x = np.mgrid[:32, :32]
    angle = np.pi * labels / classes
    wave = np.sin(0.8 * (np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y))
    colour = np.stack([0.5 + 0.4 * np.cos(2 * np.pi * (labels / classes + k / 3)) for k in range(3)], axis=1)
    values = 128 + 100 * wave[:, None] * colour[:, :, None, None] + rng.normal(0, 8, (count, 3, 32, 32))
    return Small(values.clip(0, 255).astype(np.uint8), labels.tolist())


def _python(part: Small, name: str, fine: bool) -> bytes:
    labels: dict[bytes, Any] = {b"labels": part.labels}
    if fine:
        labels = {b"fine_labels": part.labels, b"coarse_labels": [label // 5 for label in part.labels]}
    files = [f"{label}_s_{k:06d}.png".encode() for k, label in enumerate(part.labels)]
    return pickles.dumps({b"batch_label": name.encode(), **labels, b"data": part.rows, b"filenames": files})


def _binary(part: Small, fine: bool) -> bytes:
    heads = np.array(part.labels, np.uint8)[:, None]
    heads = np.concatenate([heads // 5, heads], axis=1) if fine else heads
    return np.concatenate([heads, part.rows], axis=1).tobytes()


def files(version: str, training: Small, test: Small) -> dict[str, bytes]:
    """Name -> content, as the publisher has them."""
    parts = {f"data_batch_{k + 1}": training.part(k, 5) for k in range(5)}
    lines = "\n".join(NAMES).encode() + b"\n\n"
    fine = [f"thing {k}".encode() for k in range(100)]
    if version == "python10":
        meta = {b"num_cases_per_batch": 10000, b"label_names": [n.encode() for n in NAMES], b"num_vis": 3072}
        held = {"test_batch": test}
        return {"batches.meta": pickles.dumps(meta), "readme.html": b"<html>"} | {
            name: _python(part, name, False) for name, part in (parts | held).items()
        }
    if version == "binary10":
        held = {"test_batch": test}
        return {"batches.meta.txt": lines} | {f"{n}.bin": _binary(p, False) for n, p in (parts | held).items()}
    if version == "python100":
        names = {b"fine_label_names": fine, b"coarse_label_names": [b"kind"] * 20}
        return {"meta": pickles.dumps(names)} | {n: _python(p, n, True) for n, p in (("train", training), ("test", test))}
    if version == "binary100":
        text = b"\n".join(fine) + b"\n"
        return {"fine_label_names.txt": text, "coarse_label_names.txt": b"kind\n" * 20} | {
            f"{n}.bin": _binary(p, True) for n, p in (("train", training), ("test", test))
        }
    mean = training.rows.mean(axis=0, dtype=np.float64).astype(np.float32).reshape(-1, 1)
    meta = {b"num_cases_per_batch": 10000, b"label_names": [n.encode() for n in NAMES], b"num_vis": 3072, b"data_mean": mean}
    columns = {n: {b"data": np.ascontiguousarray(p.rows.T), b"labels": p.labels} for n, p in parts.items()}
    columns["data_batch_6"] = {b"data": np.ascontiguousarray(test.rows.T), b"labels": test.labels}
    return {"batches.meta": pickles.dumps(meta)} | {name: pickles.dumps(value) for name, value in columns.items()}


def write(folder: Path, version: str, training: Small, test: Small) -> Path:
    """The set unpacked, in the folder of its published name."""
    place = folder / FOLDERS[version]
    place.mkdir(parents=True)
    for name, content in files(version, training, test).items():
        (place / name).write_bytes(content)
    return place


def packed(folder: Path, version: str, training: Small, test: Small, zipped: bool = True) -> Path:
    """The set as an archive, members in an order in which names come after pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(files(version, training, test).items(), reverse=True):
            member = tarfile.TarInfo(f"{FOLDERS[version]}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    name = FOLDERS[version].replace("batches-py", "python").replace("batches-bin", "binary")
    path = folder / (name + (".tar.gz" if zipped else ".tar"))
    path.write_bytes(gzip.compress(stream.getvalue(), 1) if zipped else stream.getvalue())
    return path
