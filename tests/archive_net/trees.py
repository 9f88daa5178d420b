"""Release-shaped trees, repositories and archives that the tests of the archive make; nothing here is of the release."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

from dulwich.objects import Blob, Commit, Tag, Tree
from dulwich.repo import Repo

CONTENT: dict[str, tuple[bytes, int]] = {
    "LICENSE": (b"terms of a test\n", 0o644),
    "convnet.py": (b"import os\nfrom util import *\nimport layer\n", 0o644),
    "layer.py": (b"from ordereddict import OrderedDict\n", 0o644),
    "a name with spaces.txt": (b"kept\n", 0o644),
    "run.sh": (b"#!/bin/sh\nexit 0\n", 0o755),
    "windows.txt": (b"line one\r\nline two\r\n", 0o644),
    "include/net.cuh": (b"#include <vector>\n#include <nvmatrix.cuh>\n", 0o644),
    "src/net.cu": (b'#include "net.cuh"\n#include <helper_cuda.h>\n', 0o644),
    "layers/layers-145.cfg": (b"[data]\ntype=data\n", 0o644),
    "empty": (b"", 0o644),
    "h\u00e9.txt": ("na\u00efve\n".encode(), 0o644),
}
LINKS = {"layers/latest.cfg": "layers-145.cfg", "licence-link": "LICENSE"}
WHEN = 1_348_617_600  # 2012-09-26


def make_folder(folder: Path, *, links: bool = True) -> Path:
    """The content above as a folder."""
    for name, (data, mode) in CONTENT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    for name, target in LINKS.items() if links else ():
        (folder / name).symlink_to(target)
    return folder


def make_zip(path: Path, *, wrapper: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, mode) in CONTENT.items():
            archive.writestr(zip_entry(wrapper + name, 0o100000 | mode), data)
        for name, target in LINKS.items():
            archive.writestr(zip_entry(wrapper + name, 0o120777), target)
    return path


def zip_entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (2012, 9, 26, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def make_tar(path: Path, *, compression: str = "", wrapper: str = "") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, (data, mode) in CONTENT.items():
            add_to_tar(archive, wrapper + name, data, mode)
        for name, target in LINKS.items():
            add_to_tar(archive, wrapper + name, target=target, kind=tarfile.SYMTYPE)
    return path


def add_to_tar(
    archive: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    mode: int = 0o644,
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.mtime, entry.linkname = kind, mode, len(data), WHEN, target
    archive.addfile(entry, io.BytesIO(data))


def make_repository(path: Path, *, bare: bool = False, extra: dict[str, bytes] | None = None) -> tuple[Repo, str]:
    """A repository with two commits: the content above (whose id is returned), then a longer README on the default branch."""
    repository = Repo.init_bare(str(path), mkdir=True) if bare else Repo.init(str(path), mkdir=True)
    content = {name: (data, 0o100000 | mode) for name, (data, mode) in CONTENT.items()}
    content |= {name: (target.encode(), 0o120000) for name, target in LINKS.items()}
    content |= {name: (data, 0o100644) for name, data in (extra or {}).items()}
    first = commit(repository, content, [])
    second = commit(repository, {**content, "README.md": (b"longer\n" * 50, 0o100644)}, [first])
    tag = Tag()
    tag.name, tag.object, tag.message = b"v1", (Commit, first), b"first"
    tag.tagger, tag.tag_time, tag.tag_timezone = b"A Tester <a@example.org>", WHEN, 0
    repository.object_store.add_object(tag)
    repository.refs[b"refs/heads/master"] = second
    repository.refs[b"refs/tags/v1"] = tag.id
    repository.refs.set_symbolic_ref(b"HEAD", b"refs/heads/master")
    return repository, first.decode()


def commit(repository: Repo, content: dict[str, tuple[bytes, int]], parents: list[bytes]) -> bytes:
    made = Commit()
    made.tree = _tree(repository, content)
    made.parents = parents  # type: ignore[assignment]
    made.author = made.committer = b"A Tester <a@example.org>"
    made.author_time = made.commit_time = WHEN + len(parents)
    made.author_timezone = made.commit_timezone = 0
    made.message = b"a tree of a test\n"
    repository.object_store.add_object(made)
    return made.id


def _tree(repository: Repo, content: dict[str, tuple[bytes, int]]) -> bytes:
    tree = Tree()
    folders: dict[str, dict[str, tuple[bytes, int]]] = {}
    for name, (data, mode) in content.items():
        head, _, rest = name.partition("/")
        if rest:
            folders.setdefault(head, {})[rest] = (data, mode)
        else:
            blob = Blob.from_string(data)
            repository.object_store.add_object(blob)
            tree.add(head.encode(), mode, blob.id)
    for head, inner in folders.items():
        tree.add(head.encode(), 0o040000, _tree(repository, inner))
    repository.object_store.add_object(tree)
    return tree.id


def flip(path: Path, *, keep_time: bool) -> None:
    """Flip one bit of a file in place; with `keep_time` put its times and mode back."""
    before = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    path.chmod(before.st_mode & 0o777)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def state_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything under a folder: content, executable bit or link target, by path."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", path.readlink().as_posix())
        elif path.is_file():
            found[name] = ("file", path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


EXPECTED: dict[str, tuple[object, ...]] = {
    **{name: ("file", data, bool(mode & 0o100)) for name, (data, mode) in CONTENT.items()},
    **{name: ("link", target) for name, target in LINKS.items()},
}
