"""A net of one's own begun as a copy of another: two files under a new name, nothing overwritten unasked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alexnet_archive import files
from alexnet_archive.errors import LayerFileError, UserInputError, WriteError

SUFFIX = ".cfg"


@dataclass(frozen=True)
class CopiedNet:
    definition: Path
    parameters: Path


def copy_net(name: str, definition: Path, parameters: Path, out: Path | None = None, *, force: bool = False) -> CopiedNet:
    """Write `definition` as `out` (None: NAME.cfg here; a folder: NAME.cfg in it) and `parameters` as its .params.cfg.

    Both open with a comment that says where they come from. Raises UserInputError for a name that is none and for files
    that exist already (unless `force`), WriteError when one cannot be written.
    """
    if not name.strip() or Path(name).name != name or name.startswith("."):
        raise UserInputError(
            f"{name!r} is no name for a net", found=name, expected="a name without folders", remedy="use --out"
        )
    target = Path(f"{name.removesuffix(SUFFIX)}{SUFFIX}") if out is None else Path(out)
    if target.is_dir():
        target = target / f"{name.removesuffix(SUFFIX)}{SUFFIX}"
    beside = target.with_name(f"{target.name.removesuffix(SUFFIX)}.params{SUFFIX}")
    taken = [str(path) for path in (target, beside) if path.exists() or path.is_symlink()]
    if taken and not force:
        raise UserInputError(
            f"{' and '.join(taken)} exist{'s' if len(taken) == 1 else ''} already",
            path=target,
            remedy="choose another --out, or add --force",
        )
    head = f"# {name.removesuffix(SUFFIX)}, begun as a copy of {definition.name.removesuffix(SUFFIX)}\n".encode()
    try:
        texts = [(beside, parameters.read_bytes()), (target, definition.read_bytes())]
    except OSError as error:
        raise LayerFileError(f"cannot read {error.filename}: {error.strerror}", path=definition) from error
    for path, text in texts:  # the definition last: where it stands, its parameters do
        if path.is_dir():
            raise WriteError(f"{path} is a folder", path=path, remedy="choose another --out")
        files.write_bytes(path, head + text)
    return CopiedNet(target, beside)
