"""The demo's pictures: crops of the photographs bundled with scikit-image, one photograph one class.

Training and test crops come from disjoint regions: every photograph is cut into a grid of tiles, some of which belong to
the test; a training crop that touches a test tile is drawn again, a test crop lies inside one test tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet_archive.errors import ConvertError, MissingToolError
from alexnet_archive.files import make_folder, writing

# File in scikit-image's data folder -> what it shows. All are photographs, none is drawn.
PHOTOGRAPHS: dict[str, str] = {
    "astronaut.png": "astronaut",
    "brick.png": "brick wall",
    "camera.png": "man with a camera",
    "cell.png": "cell under a microscope",
    "chelsea.png": "cat",
    "clock_motion.png": "moving clock",
    "coffee.png": "cup of coffee",
    "coins.png": "coins",
    "grass.png": "grass",
    "gravel.png": "gravel",
    "hubble_deep_field.jpg": "deep field of galaxies",
    "ihc.png": "stained tissue",
    "moon.png": "moon",
    "motorcycle_left.png": "motorcycle",
    "retina.jpg": "retina",
    "rocket.jpg": "rocket",
}
# The same files -> whose they are and on what terms, as scikit-image's documentation has it.
CREDITS: dict[str, str] = {
    "astronaut.png": "NASA: Eileen Collins. Public domain",
    "brick.png": "CC0Textures. CC0",
    "camera.png": "Lav Varshney. CC0",
    "cell.png": "Paul Müller and others (Optics Express 26, 2018). CC0",
    "chelsea.png": "Stéfan van der Walt. CC0",
    "clock_motion.png": "Stéfan van der Walt. Public domain",
    "coffee.png": "Rachel Michetti, courtesy of Pikolo Espresso Bar. CC0",
    "coins.png": "Brooklyn Museum: Greek coins from Pompeii. No known copyright restrictions",
    "grass.png": "Linolafett. CC0",
    "gravel.png": "CC0Textures. CC0",
    "hubble_deep_field.jpg": "NASA: Hubble eXtreme Deep Field. Public domain",
    "ihc.png": "Center for Microscopy and Molecular Imaging. No known copyright restrictions",
    "moon.png": "bundled with scikit-image, which names no photographer",
    "motorcycle_left.png": "Middlebury 2014 stereo data: D. Scharstein and others (GCPR 2014)",
    "retina.jpg": "Mikael Häggström (WikiJournal of Medicine 1, 2014). CC0",
    "rocket.jpg": "SpaceX: launch of DSCOVR. Public domain",
}
LARGEST_SIDE = 512
Region = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class CropPlan:
    """How many crops of each photograph, how large (pixels), and how the photograph is divided."""

    train: int = 256
    test: int = 40
    smallest: int = 52
    largest: int = 72
    rows: int = 4
    columns: int = 4
    seed: int = 2012


def photograph_folder() -> Path:
    """Where scikit-image keeps its photographs; raises MissingToolError without the `demo` extra."""
    try:
        import skimage
    except ImportError as error:
        raise MissingToolError(
            "the demo's photographs come with scikit-image", remedy="pip install 'alexnet-archive[demo]'"
        ) from error
    return Path(skimage.__file__).parent / "data"


def load_photograph(path: Path) -> Image.Image:
    """An RGB photograph whose longer side is at most LARGEST_SIDE pixels."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise ConvertError(f"cannot read the photograph {path.name}", path=path) from error
    scale = LARGEST_SIDE / max(picture.size)
    if scale < 1:
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BOX)
    return picture


def tiles(width: int, height: int, plan: CropPlan) -> list[Region]:
    """The grid of a photograph, row by row."""
    ys = np.linspace(0, height, plan.rows + 1).astype(int)
    xs = np.linspace(0, width, plan.columns + 1).astype(int)
    return [(int(ys[r]), int(xs[c]), int(ys[r + 1]), int(xs[c + 1])) for r in range(plan.rows) for c in range(plan.columns)]


def test_tiles(grid: list[Region], plan: CropPlan, rng: np.random.Generator) -> list[Region]:
    """One tile of every row of the grid, each in another column: the test sees all heights and all sides."""
    columns = rng.permutation(plan.columns)
    return [grid[row * plan.columns + int(columns[row % plan.columns])] for row in range(plan.rows)]


def overlaps(a: Region, b: Region) -> bool:
    """Whether two regions share a pixel."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def crops(size: tuple[int, int], plan: CropPlan, rng: np.random.Generator) -> tuple[list[Region], list[Region], list[Region]]:
    """(training crops, test crops, test tiles) of a photograph of `size` (width, height), all squares.

    No training crop touches a test tile, and every test crop lies inside one.
    """
    width, height = size
    reserved = test_tiles(tiles(width, height, plan), plan, rng)
    train: list[Region] = []
    for _ in range(1000 * plan.train):
        side = int(rng.integers(plan.smallest, plan.largest + 1))
        crop = _square(rng, (0, 0, height, width), side)
        if not any(overlaps(crop, tile) for tile in reserved):
            train.append(crop)
        if len(train) == plan.train:
            break
    else:
        raise ConvertError("a photograph has no room for training crops", expected=plan.train, found=len(train))
    test = []
    for index in range(plan.test):
        tile = reserved[index % len(reserved)]
        room = min(tile[2] - tile[0], tile[3] - tile[1])
        side = int(rng.integers(min(plan.smallest, room), min(plan.largest, room) + 1))
        test.append(_square(rng, tile, side))
    return train, test, reserved


def _square(rng: np.random.Generator, inside: Region, side: int) -> Region:
    top = int(rng.integers(inside[0], inside[2] - side + 1))
    left = int(rng.integers(inside[1], inside[3] - side + 1))
    return (top, left, top + side, left + side)


def _pixels(picture: Image.Image, region: Region, size: int) -> Image.Image:
    top, left, bottom, right = region
    return picture.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, right, bottom))


def write_crops(
    out: Path, *, size: int = 64, plan: CropPlan | None = None, progress: Callable[[int, int | None, str], None] | None = None
) -> Path:
    """Write `out/train/<class>/NNNN.jpg` and `out/val/<class>/NNNN.jpg`, `size` pixels square; returns `out`.

    They are written plainly: whoever is interrupted writes all of them anew, and making each of thousands of small files last
    would take longer than the rest. Raises WriteError.
    """
    plan = plan or CropPlan()
    folder = photograph_folder()
    total = len(PHOTOGRAPHS)
    for index, (file, name) in enumerate(PHOTOGRAPHS.items()):
        picture = load_photograph(folder / file)
        rng = np.random.default_rng([plan.seed, index])
        train, test, _ = crops(picture.size, plan, rng)
        for part, regions in (("train", train), ("val", test)):
            target = out / part / name
            make_folder(target)
            for number, cut in enumerate(_cuts(picture, regions, size)):
                path = target / f"{number:04d}.jpg"
                with writing(path):
                    cut.save(path, "JPEG", quality=92)
        if progress:
            progress(index + 1, total, name)
    return out


def _cuts(picture: Image.Image, regions: list[Region], size: int) -> Iterator[Image.Image]:
    for region in regions:
        yield _pixels(picture, region, size)
