"""A miniature of ImageNet's official files: nested tars, a development kit with a real meta.mat, every oddity once.

`python -m tests.unit.batches.miniature FOLDER` makes one to look at.
"""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tests.unit.batches.samples import encoded, photograph

CLASSES = 20
YEAR = 2012


def wnid(number: int) -> str:
    """wnid of class id `number`, so that id order is not wnid order."""
    return f"n{(number * 54018521) % 90000000 + 1000000:08d}"


@dataclass
class Miniature:
    """What was put in. `refused`: name -> kind of finding to expect; `odd`: pictures that are taken though odd."""

    folder: Path
    training: dict[str, int] = field(default_factory=dict)
    truth: list[int] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    odd: set[str] = field(default_factory=set)
    test: int = 0


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def ycck(data: bytes) -> bytes:
    """The same CMYK JPEG with the Adobe marker's transform set to 2."""
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\x02" + data[at + 1 :]


def stray_bytes(data: bytes) -> bytes:
    """A JPEG with stray bytes before its first quantisation table: libjpeg warns and goes on."""
    at = data.index(b"\xff\xdb")
    return data[:at] + b"\x00\x11\x22" + data[at:]


def bomb() -> bytes:
    """A PNG that claims 60000 x 60000 pixels in 100 bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def jpeg_bomb() -> bytes:
    data = bytearray(encoded(photograph(1)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65000, 65000)
    return bytes(data)


def oddities() -> dict[str, bytes]:
    """Pictures that are really in ImageNet, or like them; all of them can be used."""
    picture = photograph(77, 70, 50)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "png": encoded(picture, "PNG"),
        "palette": encoded(picture.convert("P"), "PNG", transparency=3),
        "cmyk": encoded(picture.convert("CMYK")),
        "ycck": ycck(encoded(picture.convert("CMYK"))),
        "grey": encoded(picture.convert("L")),
        "exif": encoded(picture, exif=exif),
        "stray": stray_bytes(encoded(picture)),
        "progressive": encoded(picture, progressive=True),
        "thin": encoded(photograph(78, 300, 9)),
        "tiny": encoded(photograph(79, 1, 1)),
        "large": encoded(photograph(80, 640, 480)),
    }


REPORTED_ODD = {"png", "palette", "cmyk", "ycck", "grey", "stray"}
"""Those the report names; the others need no word."""


def unusable() -> dict[str, tuple[bytes, str]]:
    """Name -> (bytes, kind of finding)."""
    whole = encoded(photograph(81))
    return {
        "torn": (whole[: len(whole) // 2], "undecodable"),
        "noise": (bytes(range(256)) * 4, "not a picture"),
        "bomb": (bomb(), "too large"),
        "jpegbomb": (jpeg_bomb(), "too large"),
        "empty": (b"", "empty"),
    }


NAMES = {2010: ("images_train", "images_val", "images_test", "devkit-1.0")}
"""What the official files of a year are called after ILSVRC and the year, where it is not as in 2012."""


def make(
    folder: Path, *, per_class: int = 12, validation: int = 50, test: int = 30, odd: bool = True, year: int = YEAR
) -> Miniature:
    """Write the four official files of a year into `folder`."""
    names = NAMES.get(year, ("img_train", "img_val", "img_test_v10102019", "devkit_t12"))
    training, val, held, kit = (f"ILSVRC{year}_{name}" for name in names)
    folder.mkdir(parents=True, exist_ok=True)
    mini = Miniature(folder, test=test)
    _training(mini, f"{training}.tar", per_class, odd)
    mini.truth = np.random.default_rng(8).integers(1, CLASSES + 1, validation).tolist()
    with tarfile.open(folder / f"{val}.tar", "w") as archive:
        for number in range(validation, 0, -1):  # not in file-number order
            add(archive, f"ILSVRC{year}_val_{number:08d}.JPEG", encoded(photograph(5000 + number)))
    with tarfile.open(folder / f"{held}.tar", "w") as archive:
        for number in range(1, test + 1):
            add(archive, f"test/ILSVRC{year}_test_{number:08d}.JPEG", encoded(photograph(7000 + number)))
    devkit(folder / f"{kit}.tar.gz", mini.truth, year)
    return mini


def _training(mini: Miniature, outer_name: str, per_class: int, odd: bool) -> None:
    with tarfile.open(mini.folder / outer_name, "w") as outer:
        for number in range(1, CLASSES + 1):
            stream = io.BytesIO()
            prefix = f"{outer_name}/{wnid(number)}.tar/"
            with tarfile.open(fileobj=stream, mode="w") as inner:
                for index in range(per_class):
                    name = f"{wnid(number)}_{index}.JPEG"
                    add(inner, name, encoded(photograph(100 * number + index, 60 + index, 50)))
                    mini.training[prefix + name] = number
                if odd and number == 3:
                    _add_oddities(mini, inner, prefix, number)
            add(outer, f"{wnid(number)}.tar", stream.getvalue())
        if odd:
            stream = io.BytesIO()
            with tarfile.open(fileobj=stream, mode="w") as inner:
                add(inner, "n99999999_1.JPEG", encoded(photograph(1)))
            add(outer, "n99999999.tar", stream.getvalue())
            mini.refused[f"{outer_name}/n99999999.tar/n99999999_1.JPEG"] = "no class"


def _add_oddities(mini: Miniature, inner: tarfile.TarFile, prefix: str, number: int) -> None:
    for name, data in oddities().items():
        add(inner, f"{name}.JPEG", data)
        mini.training[f"{prefix}{name}.JPEG"] = number
        if name in REPORTED_ODD:
            mini.odd.add(f"{prefix}{name}.JPEG")
    for name, (data, kind) in unusable().items():
        add(inner, f"{name}.JPEG", data)
        mini.refused[f"{prefix}{name}.JPEG"] = kind
    for name in ("../escape.JPEG", "/absolute.JPEG", "a/../../b.JPEG"):
        add(inner, name, encoded(photograph(1)))
        mini.refused[prefix + name] = "unsafe path"
    for name, kind in (("symbolic", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
        member = tarfile.TarInfo(f"{name}.JPEG")
        member.type, member.linkname = kind, "/etc/passwd"
        inner.addfile(member)
        mini.refused[f"{prefix}{name}.JPEG"] = "link"
    pipe = tarfile.TarInfo("pipe.JPEG")
    pipe.type = tarfile.FIFOTYPE
    inner.addfile(pipe)
    mini.refused[f"{prefix}pipe.JPEG"] = "not a file"


def meta_mat(year: int = YEAR, classes: int = CLASSES) -> bytes:
    """A meta.mat of the real shape: leaves have the low ids, inner nodes the ones above."""
    from scipy.io import savemat

    fields = [(f"ILSVRC{year}_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O"), ("children", "O")]
    rows = np.zeros((classes + 4, 1), dtype=fields)
    for index in range(classes + 4):
        leaf = index < classes
        children = 0 if leaf else 3
        rows[index, 0] = (index + 1, wnid(index + 1), f"thing {index + 1}, name", children, np.arange(1, children + 1))
    stream = io.BytesIO()
    savemat(stream, {"synsets": rows[np.random.default_rng(1).permutation(classes + 4)]})
    return stream.getvalue()


def devkit(path: Path, truth: list[int], year: int = YEAR) -> None:
    base = path.name.split(".tar")[0]
    with tarfile.open(path, "w:gz") as archive:
        add(archive, f"{base}/readme.txt", b"read me")
        add(archive, f"{base}/data/meta.mat", meta_mat(year))
        add(archive, f"{base}/data/ILSVRC{year}_validation_ground_truth.txt", "\n".join(map(str, truth)).encode() + b"\n")


def kaggle_files(folder: Path) -> list[int]:
    """Kaggle's layout with 20 classes of 2; returns class ids of the 6 validation pictures."""
    root = folder / "ILSVRC" / "Data" / "CLS-LOC"
    for number in range(1, CLASSES + 1):
        (root / "train" / wnid(number)).mkdir(parents=True)
        for k in range(2):
            (root / "train" / wnid(number) / f"{wnid(number)}_{k}.JPEG").write_bytes(encoded(photograph(number * 10 + k)))
    truth = [4, 9, 1, 20, 7, 7]
    lines = ["ImageId,PredictionString"]
    for role, count in (("val", 6), ("test", 3)):
        (root / role).mkdir()
        for k in range(1, count + 1):
            name = f"ILSVRC2012_{role}_{k:08d}"
            (root / role / f"{name}.JPEG").write_bytes(encoded(photograph(900 + k)))
            if role == "val":
                lines.insert(1, f"{name},{wnid(truth[k - 1])} 1 2 30 40 {wnid(2)} 1 1 9 9 ")
    (folder / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    mapping = sorted((wnid(k), k) for k in range(1, CLASSES + 1))
    (folder / "LOC_synset_mapping.txt").write_text("".join(f"{w} thing {k}, name\n" for w, k in mapping))
    return truth


if __name__ == "__main__":
    made = make(Path(sys.argv[1]))
    print(f"{len(made.training)} training, {len(made.truth)} validation, {made.test} test pictures in {made.folder}")
