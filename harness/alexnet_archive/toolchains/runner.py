"""Commands of `assembly` and `engines.native` in a toolchain's image: what `LocalRunner` is for the host, in a container."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from alexnet_archive.errors import MissingToolError, UserInputError
from alexnet_archive.toolchains.container import Engine, Mount, OnLine, Task

_SIGNALLED = 128
# An engine hands on the two streams of a command apart, in no order; the shell makes them one and is gone.
_ONE_STREAM = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh")


class ContainerRunner:
    """Runs commands of `assembly` and `engines.native` in a toolchain's image (the Runner protocol of engines/base.py).

    No network, the caller's uid and gid (or `user`), a read-only root with a scratch /tmp; `mounts` are all that it sees of
    the host. `identity` says in a build record what it runs in: image id, toolchain, lock digest.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        mounts: Sequence[Mount],
        *,
        gpus: Sequence[int] | None = None,
        user: str | None = None,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        self.engine = engine
        self.image = image
        self.mounts = tuple(mounts)
        self.gpus = gpus
        self.identity = dict(identity or {"image": image})
        self.user = user or f"{os.getuid()}:{os.getgid()}"
        targets = [mount.target for mount in self.mounts]
        if len(set(targets)) != len(targets):
            raise UserInputError("two folders would be mounted in the same place", found=", ".join(sorted(targets)))

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        stop: Callable[[], bool] = lambda: False,
    ) -> int:
        """Run to the end, handing each output line (both streams, in order) to `on_line`; returns the exit status.

        A command ended by signal n returns -n, as a local one does. Raises MissingToolError when the image lacks the program.
        """
        last = ""

        def note(line: str) -> None:
            nonlocal last
            last = line
            on_line(line)

        task = Task(
            image=self.image,
            command=[*_ONE_STREAM, *command],
            mounts=self.mounts,
            environment={"HOME": "/tmp", **environment},
            workdir=self.path(cwd),
            user=self.user,
            gpus=self.gpus,
        )
        status = self.engine.execute(task, note, stop)
        if status in (126, 127) and last.startswith("sh: ") and f"exec: {command[0]}: " in last:
            raise MissingToolError(
                f"{command[0]} cannot be run in the image", path=command[0], found=last.rpartition(": ")[2],
                remedy="name a program that the toolchain holds",
            )  # fmt: skip
        return _SIGNALLED - status if _SIGNALLED < status < _SIGNALLED + signal.NSIG else status

    def path(self, host: Path) -> str:
        """The path under which the command sees a host path; UserInputError when it does not see it."""
        host = Path(os.path.abspath(host))  # noqa: PTH100 - resolve() would follow links that the mounts do not
        for candidate in (host, host.resolve()):
            inside = [m for m in self.mounts if candidate.is_relative_to(m.host) or candidate.is_relative_to(m.host.resolve())]
            if inside:
                mount = max(inside, key=lambda m: len(m.host.parts))
                base = mount.host if candidate.is_relative_to(mount.host) else mount.host.resolve()
                return str(PurePosixPath(mount.target) / candidate.relative_to(base).as_posix())
        raise UserInputError(
            "the container does not see this path",
            path=host,
            expected="a path under " + ", ".join(str(mount.host) for mount in self.mounts),
            remedy="put it in one of these folders",
        )
