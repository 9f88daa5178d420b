"""Writing locks: ask a fresh base container what a row's packages and wheels resolve to today.

The container runs scripts/resolve-debian and scripts/resolve-wheels; what they print is read here, purely.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from alexnet_archive import paths
from alexnet_archive.errors import ToolchainError
from alexnet_archive.toolchains import locks
from alexnet_archive.toolchains.container import Engine, Mount, Task
from alexnet_archive.toolchains.locks import DebianPin, Lock, WheelPin
from alexnet_archive.toolchains.routes import Route
from alexnet_archive.toolchains.table import Suite, Table, Toolchain

OnLine = Callable[[str], None]
_INSTALL = re.compile(r"^Inst (\S+?)(?::\S+)? (?:\[\S+\] )?\((\S+) ")
_REMOVE = re.compile(r"^Remv (\S+?)(?::\S+)? ")
_WHEEL = re.compile(r"^([0-9a-f]{64})  (?:\./)?([^-]+)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl$")


def sections(lines: Sequence[str]) -> dict[str, list[str]]:
    """The scripts' output by section; what stands outside any section is noise of the package clients."""
    out: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        if line.startswith("@@"):
            name = line[2:]
            current = None if name == "end" else out.setdefault(name, [])
        elif current is not None:
            current.append(line)
    return out


def closure(installed: Sequence[str], plan: Sequence[str]) -> dict[str, str]:
    """Package -> version after apt has carried out `plan` on a base that holds `installed`."""
    versions = {fields[0]: fields[1] for fields in (line.split() for line in installed if line.strip())}
    for line in plan:
        install, remove = _INSTALL.match(line), _REMOVE.match(line)
        if install:
            versions[install[1]] = install[2]
        elif remove:
            versions.pop(remove[1], None)
    return versions


def debian_pins(lines: Sequence[str], name: str) -> tuple[DebianPin, ...]:
    """The pins that resolve-debian printed; ToolchainError names every package without a digest."""
    parts = sections(lines)
    if not {"installed", "plan", "packages"} <= set(parts):
        raise ToolchainError(f"{name}: the base container did not answer as expected", found="\n".join(lines[-10:]))
    known: dict[tuple[str, str], DebianPin] = {}
    for stanza in "\n".join(parts["packages"]).split("\n\n"):
        values = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        if {"Package", "Version", "Architecture", "SHA256"} <= set(values):
            pin = DebianPin(values["Package"], values["Version"], values["Architecture"], values["SHA256"])
            known[pin.name, pin.version] = pin
    wanted = closure(parts["installed"], parts["plan"])
    unknown = sorted(f"{package} {version}" for package, version in wanted.items() if (package, version) not in known)
    if unknown:
        raise ToolchainError(
            f"{name}: no package source names the digest of " + ", ".join(unknown[:8]),
            found=f"{len(unknown)} in all",
            remedy="use a base image of the suite without packages from elsewhere",
        )
    return tuple(sorted(known[package, version] for package, version in wanted.items()))


def wheel_pins(lines: Sequence[str], kind: str) -> tuple[WheelPin, ...]:
    """The pins that resolve-wheels printed for `kind`."""
    pins = []
    for line in sections(lines).get(f"wheels {kind}", []):
        match = _WHEEL.match(line)
        if match is None:
            raise ToolchainError("pip fetched something that is no wheel", found=line)
        pins.append(WheelPin(match[2].replace("_", "-"), match[3], match[1]))
    return tuple(sorted(pins, key=lambda pin: pin.name.lower()))


def resolve(
    engine: Engine,
    table: Table,
    row: Toolchain,
    *,
    today: str,
    on_line: OnLine,
    route: Route = Route(),  # noqa: B008 - frozen
    scratch: Path,
    folder: Path | None = None,
) -> Lock:
    """A fresh lock for a row. `scratch` is an empty folder; base images are pulled by the engine where they are missing."""
    engine.require_architecture(table.architecture)
    folder = folder or paths.docker()
    (scratch / "ca-bundle.pem").write_bytes(route.ca_bundle)
    wanted = table.requests(row)
    mounts = (Mount(folder / locks.SCRIPTS, "/scripts"), Mount(scratch, "/pins"))

    def ask(suite: Suite, script: str) -> list[str]:
        lines: list[str] = []
        inside = False
        image = route.bases.get(suite.name, suite.base)
        task = Task(
            image, ["sh", "-ec", script], mounts, route.environment(), user="0:0",
            network=route.network or "default", read_only=False,
        )  # fmt: skip

        def note(line: str) -> None:
            nonlocal inside
            lines.append(line)
            inside = line != "@@end" if line.startswith("@@") else inside
            if not inside and not line.startswith("@@"):
                on_line(line)

        engine.pull_if_missing(image, on_line)
        status = engine.execute(task, note)
        if status != 0:
            raise ToolchainError(
                f"{row.name} does not resolve",
                found="\n".join(line for line in lines if not line.startswith("Inst "))[-2000:],
                remedy="check the package names in the table, and --mirror, --index, --proxy, --ca-bundle and --network",
            )
        return lines

    commands = [_debian(wanted["wheels"]), _wheels("python2", wanted["python2"])]
    commands += [_wheels("native", wanted["cuda"])] if wanted["cuda"] else []
    stage = ask(table.python.suite, "\n".join(commands))
    final = ask(row.suite, _debian(wanted["image"]))
    return Lock(
        toolchain=row.name,
        request=table.request_digest(row),
        template=locks.template_digest(folder),
        resolved=today,
        wheels=debian_pins(stage, row.name),
        image=debian_pins(final, row.name),
        python2=wheel_pins(stage, "python2"),
        cuda=wheel_pins(stage, "native"),
    )


def _debian(request: dict[str, list[str]]) -> str:
    return f"/scripts/resolve-debian '{' '.join(request['components'])}' {' '.join(request['packages'])}"


def _wheels(kind: str, requirements: Sequence[str]) -> str:
    return f"/scripts/resolve-wheels {kind} " + " ".join(f"'{requirement}'" for requirement in requirements)
