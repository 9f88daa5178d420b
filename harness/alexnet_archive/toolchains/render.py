"""A toolchain as Dockerfile text and build context. Pure: no daemon, no clock, no environment; golden files in tests/golden.

The Dockerfile keeps to the classic builder's syntax, which is what the Docker SDK speaks.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import jinja2

from alexnet_archive import files, paths
from alexnet_archive.toolchains import locks
from alexnet_archive.toolchains.locks import Lock
from alexnet_archive.toolchains.table import Suite, Table, Toolchain, digest

LABELS = {"toolchain": "alexnet-archive.toolchain", "lock": "alexnet-archive.lock", "content": "alexnet-archive.content"}
DOCKERFILE = "Dockerfile"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CA_BUNDLE = "ca-bundle.pem"


def suites(table: Table, row: Toolchain) -> list[Suite]:
    """The Debian suites that a row's build starts from: the stage's, then the image's if it is another."""
    return [table.python.suite] + ([row.suite] if row.suite != table.python.suite else [])


def environment(row: Toolchain) -> dict[str, str]:
    """Variables set in the image: compilers for CMake and nvcc, Agg for the release's plots."""
    values = {"CC": row.compiler.replace("g++", "gcc"), "CXX": row.compiler}
    if row.cuda is not None:
        values |= {"CUDAHOSTCXX": row.compiler, "NVCC_CCBIN": row.compiler}
    if row.wheels:
        values |= {"CUDA_HOME": "/usr/local/cuda", "PATH": f"/usr/local/cuda/bin:{_PATH}"}
        # g++ compiles and links the plain units; it knows Debian's CUDA folders, but not this one.
        values |= {"CPATH": "/usr/local/cuda/include", "LIBRARY_PATH": "/usr/local/cuda/lib"}
    return values | {"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}


def dockerfile(table: Table, row: Toolchain, lock: Lock, folder: Path | None = None) -> str:
    """The Dockerfile of a row with its lock; the same text for the same inputs, whatever the machine."""
    loader = jinja2.FileSystemLoader(folder or paths.docker())
    jinja = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    return jinja.get_template(locks.TEMPLATE).render(
        toolchain=row,
        lock=lock,
        suites=suites(table, row),
        wheels_suite=table.python.suite,
        remove=table.cuda_remove if row.cuda and not row.wheels else (),
        environment=environment(row),
        compiler_version=row.compiler.rpartition("-")[2],
        labels=LABELS,
        title=table.title,
        source=table.source,
        licences=table.licences,
    )


def excludes(table: Table, row: Toolchain) -> str:
    """dpkg's configuration that keeps the image small; copyright files stay."""
    cuda = row.cuda is not None and not row.wheels
    omit = table.omit + (table.cuda_omit if cuda else ())
    keep = table.keep + (table.cuda_keep if cuda else ())
    return "".join([f"path-exclude={path}\n" for path in omit] + [f"path-include={path}\n" for path in keep])


def context(
    table: Table, row: Toolchain, lock: Lock, folder: Path | None = None, ca_bundle: bytes = b""
) -> dict[str, bytes]:
    """Every file of the build context by name, the Dockerfile included."""
    folder = folder or paths.docker()
    scripts = ["install-debian", "package-sources", "install-wheels"]
    scripts += [] if row.suite.python else ["gather-python2", "adopt-python2"]
    scripts += ["gather-cuda"] if row.wheels else []
    out = {DOCKERFILE: dockerfile(table, row, lock, folder).encode(), CA_BUNDLE: ca_bundle}
    out |= {name: (folder / locks.SCRIPTS / name).read_bytes() for name in scripts}
    out["excludes"] = excludes(table, row).encode()
    for part in ("wheels", "image"):
        out[f"{part}.debian"] = "".join(f"{pin}\n" for pin in getattr(lock, part)).encode()
    for part in ("python2", "cuda") if row.wheels else ("python2",):
        out[f"{part}.txt"] = "".join(f"{pin.requirement()}\n" for pin in getattr(lock, part)).encode()
    return out


def write_context(table: Table, row: Toolchain, lock: Lock, place: Path) -> None:
    """The build context as a folder that `docker build` takes without this program."""
    files.make_folder(place)
    for part, data in context(table, row, lock).items():
        with files.atomic_writer(place / part, mode=0o755 if data.startswith(b"#!") else 0o644) as stream:
            stream.write(data)


def content_digest(table: Table, row: Toolchain, lock: Lock, folder: Path | None = None) -> str:
    """Digest of all that decides an image's content. Mirrors and proxies do not: the pins check what they bring."""
    parts = context(table, row, lock, folder)
    return digest(b"".join(name.encode() + b"\0" + parts[name] + b"\0" for name in sorted(parts)))


def context_tar(parts: dict[str, bytes]) -> bytes:
    """The context as a tar with fixed times and owners, so that the builder's cache recognises it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(parts):
            entry = tarfile.TarInfo(name)
            entry.size = len(parts[name])
            entry.mode = 0o755 if parts[name].startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(parts[name]))
    return stream.getvalue()
