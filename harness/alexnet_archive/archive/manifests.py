"""The manifest: what was acquired, file by file, when and from where; and the git ids that name it.

`original/manifest.toml` is written once, at acquisition. Its tree id is git's, which is also the SWHID of the folder
(`swh:1:dir:...`); with the commit object beside it the chain bytes -> blob -> tree -> revision can be followed offline.
Checked against: dulwich's own tree objects and `git` itself (tests).
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from alexnet_archive import files, paths
from alexnet_archive.archive.release import read_toml, record
from alexnet_archive.errors import FixityError, MissingOriginalError

SCHEMA = 1
FILE_MODE, EXECUTABLE_MODE, LINK_MODE, FOLDER_MODE = "100644", "100755", "120000", "40000"
COLUMNS = ("mode", "blob", "sha256", "size", "mtime", "path")  # the path last: it may hold spaces
ACQUIRE_REMEDY = "run `alexnet-archive acquire`, or `alexnet-archive acquire --from FOLDER, ZIP or TAR` without a network"


@dataclass(frozen=True)
class FileRecord:
    """One file or symbolic link: `size` in bytes, `mode` as git has it, `blob` its git id, `mtime` in whole seconds.

    Of a link, `sha256`, `size` and `blob` are those of its target's name.
    """

    path: str
    sha256: str
    size: int
    mode: str
    blob: str
    mtime: int


@dataclass(frozen=True)
class Identity:
    """What was acquired. `status`: `pinned` (the commit id is the one in release.toml), `recorded` (the same as a manifest
    recorded before) or `first-seen` (nothing vouches for it but this record)."""

    status: str
    source: str
    source_kind: str
    acquired: datetime.datetime
    tree: str
    revision: str | None = None
    commit_object: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def swhid_directory(self) -> str:
        return f"swh:1:dir:{self.tree}"

    @property
    def swhid_revision(self) -> str | None:
        return None if self.revision is None else f"swh:1:rev:{self.revision}"


@dataclass(frozen=True)
class Manifest:
    identity: Identity
    files: tuple[FileRecord, ...]

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)

    def by_path(self) -> dict[str, FileRecord]:
        return {file.path: file for file in self.files}

    def facts(self) -> dict[str, Any]:
        """What was acquired as plain values, without its files and the commit object's bytes."""
        identity = self.identity
        return {
            **{key: value for key, value in asdict(identity).items() if key != "commit_object"},
            "acquired": identity.acquired.isoformat(),
            "swhid_directory": identity.swhid_directory,
            "swhid_revision": identity.swhid_revision,
            "files": len(self.files),
            "bytes": self.total_bytes,
        }


def git_id(kind: str, data: bytes) -> str:
    """The git id of an object of type `kind` (blob, tree, commit) with content `data`."""
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def tree_id(records: Iterable[FileRecord]) -> str:
    """The git tree id, which is the SWHID of the folder, of files given by path, mode and blob id."""
    root: dict[str, Any] = {}
    for item in records:
        folder = root
        *parents, name = item.path.split("/")
        for parent in parents:
            folder = folder.setdefault(parent, {})
        folder[name] = (item.mode, item.blob)
    return _tree_id(root)


def _tree_id(folder: dict[str, Any]) -> str:
    entries = []
    for name, value in folder.items():
        mode, identity = (FOLDER_MODE, _tree_id(value)) if isinstance(value, dict) else value
        raw = name.encode()
        # git sorts a folder as if its name ended in a slash
        entries.append((raw + (b"/" if mode == FOLDER_MODE else b""), mode.encode() + b" " + raw + b"\0", identity))
    return git_id("tree", b"".join(head + bytes.fromhex(identity) for _, head, identity in sorted(entries)))


def commit_tree(raw: bytes) -> str:
    """The tree named by a commit object's raw content."""
    first = raw.split(b"\n", 1)[0]
    if not first.startswith(b"tree ") or len(first) != 45:
        raise FixityError("a commit object without a tree", found=first[:60].decode("ascii", "replace"))
    return first[5:].decode("ascii")


def check_chain(manifest: Manifest) -> None:
    """Raise FixityError unless the manifest's blob ids give its tree id, and its commit gives tree and revision."""
    identity = manifest.identity
    computed = tree_id(manifest.files)
    if computed != identity.tree:
        raise FixityError(
            "the manifest contradicts itself: its files do not give its tree id", expected=identity.tree, found=computed
        )
    if identity.commit_object is None:
        if identity.status == "pinned":
            raise FixityError("the manifest says `pinned` but holds no commit object", remedy="acquire again with --replace")
        return
    raw = base64.b64decode(identity.commit_object)
    if git_id("commit", raw) != identity.revision:
        raise FixityError(
            "the manifest's commit object does not give its revision", expected=identity.revision, found=git_id("commit", raw)
        )
    if commit_tree(raw) != identity.tree:
        raise FixityError("the manifest's commit names another tree", expected=identity.tree, found=commit_tree(raw))


def dump(manifest: Manifest) -> str:
    """The manifest as TOML text; JSON's strings are TOML's basic strings for every name we admit."""
    identity = manifest.identity
    lines = [
        "# Fixity of the acquired release: written by `alexnet-archive acquire`, read by `alexnet-archive verify`.",
        f"schema = {SCHEMA}",
        "",
        "[identity]",
    ]
    for field in fields(Identity):
        value = getattr(identity, field.name)
        if isinstance(value, datetime.datetime):
            lines.append(f"{field.name} = {value.isoformat()}")
        elif value is not None:
            lines.append(f"{field.name} = {json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}")
    lines.append(f'swhid_directory = "{identity.swhid_directory}"')
    if identity.swhid_revision is not None:
        lines.append(f'swhid_revision = "{identity.swhid_revision}"')
    lines += [
        "",
        "# one file a line: " + ", ".join(COLUMNS) + " (size in bytes, mode and blob as git has them, mtime since 1970)",
    ]
    lines += ["[content]", "files = ["]
    for item in manifest.files:
        cells = " ".join(str(getattr(item, column)) for column in COLUMNS)
        lines.append(f"    {json.dumps(cells, ensure_ascii=False)},")
    return "\n".join([*lines, "]", ""])


def _file_record(line: str, path: Path) -> FileRecord:
    try:
        mode, blob, sha256, size, mtime, name = line.split(" ", 5)
        return FileRecord(name, sha256, int(size), mode, blob, int(mtime))
    except (AttributeError, ValueError) as error:
        raise FixityError(
            "a line of the manifest cannot be read", path=path, expected=", ".join(COLUMNS), found=str(line)[:200]
        ) from error


def save(manifest: Manifest, path: Path) -> None:
    files.write_text(path, dump(manifest))


def load(path: Path | None = None) -> Manifest:
    """Read a manifest, `original/manifest.toml` by default.

    Raises MissingOriginalError when there is none, FixityError when it contradicts itself.
    """
    path = path or paths.original_manifest()
    if not path.is_file():
        raise MissingOriginalError("the release has not been acquired: there is no manifest", path=path, remedy=ACQUIRE_REMEDY)
    data = read_toml(path)
    if data.get("schema") != SCHEMA:
        raise FixityError("the manifest has another schema", path=path, expected=SCHEMA, found=data.get("schema"))
    identity, content = data.get("identity", {}), data.get("content", {})
    rows = content.get("files", []) if isinstance(content, dict) else None
    if not isinstance(identity, dict) or not isinstance(rows, list):
        expected = "a table [identity], and a list of lines, files, in a table [content]"
        raise FixityError("the manifest cannot be read", path=path, expected=expected, remedy=ACQUIRE_REMEDY)
    head = {key: value for key, value in identity.items() if not key.startswith("swhid_")}
    return Manifest(
        record(Identity, head, f"{path.name} [identity]"),
        tuple(_file_record(row, path) for row in rows),
    )


def without_times(records: Iterable[FileRecord]) -> dict[str, FileRecord]:
    """Records by path with the times set aside: two acquisitions of the same content agree in this."""
    return {item.path: replace(item, mtime=0) for item in records}
