"""What a reader may never do while it reads: start a program, open a connection, write outside its folder.

Seen by an audit hook, which Python code under test cannot take back.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")
CONNECTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request", "ftplib.connect", "http.client.connect")
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "os.chown", "os.truncate", "os.utime")
OURS = "alexnet_archive.batches.convert.matfile"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Counts `executions` and `writes` outside the folders `allowed`, while `on`; `seen` says which.

    Not counted is Python itself with one of our own modules, OURS: what cannot be trusted not to fall is read there.
    """

    def __init__(self, *allowed: Path) -> None:
        self.allowed = tuple(os.path.realpath(path) for path in allowed)
        self.on = False
        self.counts: Counter[str] = Counter()
        self.seen: set[str] = set()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "subprocess.Popen" and list(arguments[1]) == [sys.executable, "-m", OURS]:
            return
        if event in STARTS or event in CONNECTS:
            self._count("executions", event, arguments)
        elif event == "open":
            path, mode, flags = arguments
            by_mode = isinstance(mode, str) and bool(set(mode) & set("wax+"))
            if (by_mode or (isinstance(flags, int) and flags & WRITING)) and self._outside(path):
                self._count("writes", event, (path,))
        elif event == "os.symlink":  # where a link leads is no place that is written
            arguments = arguments[1:2]
            if self._outside(arguments[0]):
                self._count("writes", event, arguments)
        elif event in CHANGES and any(map(self._outside, _changed(event, arguments))):
            self._count("writes", event, arguments)

    def _outside(self, path: Any) -> bool:
        if isinstance(path, int) or path == os.devnull:
            return False
        real = os.path.realpath(os.fsdecode(path))
        return not real.startswith(tuple(f"{folder}{os.sep}" for folder in self.allowed)) and real not in self.allowed

    def _count(self, kind: str, event: str, arguments: tuple[Any, ...]) -> None:
        self.counts[kind] += 1
        if len(self.seen) < 20:
            self.seen.add(f"{kind}: {event} {str(arguments)[:120]}")


def _changed(event: str, arguments: tuple[Any, ...]) -> list[Any]:
    """The paths that an event is about; a name beside an open folder (`dir_fd`, the last arguments) is below that folder."""
    names = [one for one in arguments if isinstance(one, (str, bytes, os.PathLike))]
    folders = arguments[-len(names) :] if names and event != "os.truncate" else ()
    paths = [os.fsdecode(name) for name in names]
    for k, (name, folder) in enumerate(zip(paths, folders)):
        if isinstance(folder, int) and folder >= 0:
            paths[k] = str(Path(f"/proc/self/fd/{folder}").readlink() / name)
    return paths
