"""Layer files by name: the acquired release first (after a quick check of it), then our own nets."""

from __future__ import annotations

from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.errors import LayerFileError, MissingOriginalError, UserInputError
from alexnet_archive.layerdefs import find_definition, find_parameters

RELEASE_FOLDERS = ("layers", "layers-cifar", "example-layers")


def release_layer_folders() -> list[Path]:
    """Where the acquired release keeps layer files; empty when it has not been acquired."""
    source = paths.original_source()
    return [source / name for name in RELEASE_FOLDERS if (source / name).is_dir()]


def locate_definition(name: str) -> Path:
    """A definition by path or bare name: the acquired release first, then our nets.

    A missing name that the release is known to have says how to acquire it, and which net of ours has the same shape.
    """
    folders = release_layer_folders()
    if folders:
        from alexnet_archive.archive import verify_quick

        verify_quick()
    try:
        return find_definition(name, search=folders)
    except LayerFileError as error:
        if paths.original_source().is_dir() and Path(name).name == name:
            raise _not_acquired(name, error, folders) from error
        if folders or not Path(name).name.startswith("layers-") or Path(name).exists():
            raise
        raise MissingOriginalError(
            f"{name} is a file of the 2012 release, and the release has not been acquired",
            path=name,
            remedy="run `alexnet-archive acquire`, or train our net of the same shape: --layers two-column-120",
        ) from error


def _not_acquired(name: str, error: LayerFileError, folders: list[Path]) -> LayerFileError:
    """The error for a bare name when there is a release, which does not hold it."""
    held = sorted(path.name for folder in folders for path in folder.glob("*.cfg") if "param" not in path.name)
    shown = ", ".join(held[:8]) + (", ..." if len(held) > 8 else "")
    return LayerFileError(
        f"{error.message}; it is neither among what was acquired nor among our nets", path=name, expected=error.expected,
        found=f"{len(held)} definitions among what was acquired" + (f": {shown}" if held else ""),
        remedy="give the path of the file, or one of these names" if held else "give the path of the file, or one of our nets",
    )  # fmt: skip


def locate_parameters(definition: Path, given: str) -> Path:
    """The parameter file: the one given (by path, or bare name beside the definition), else the unambiguous one."""
    if given:
        return given_parameters(definition, given)
    found = find_parameters(definition)
    if found is None:
        raise UserInputError(
            f"no parameter file belongs to {definition.name} unambiguously",
            path=definition,
            remedy="name one with --params",
        )
    return found


def given_parameters(definition: Path, given: str) -> Path:
    """A parameter file by path, or by bare name beside the definition or in the release; raises UserInputError."""
    for candidate in (Path(given), definition.parent / given, *(f / given for f in release_layer_folders())):
        if candidate.is_file():
            return candidate
    raise UserInputError(f"there is no parameter file {given}", path=given, remedy="check the path of --params")
