"""Removes one run's containers when the process that started them dies: `python -m ...reaper ADDRESS RUN_ID`.

It reads its standard input, a pipe whose other end only the owner holds. "done" means that the owner has cleaned up; an end
without it means that the owner is gone, however it went.
"""

from __future__ import annotations

import signal
import sys
import time

REPEAT_SECONDS = (0.0, 1.0, 5.0)


def main(address: str, run_id: str) -> int:
    # The owner's terminal sends these to its whole foreground; the watcher must outlast the owner.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if "done" in sys.stdin.read():
        return 0
    # Imported only now: the watcher of a run that ends well costs no more than an idle interpreter.
    from alexnet_archive.errors import ContainerError
    from alexnet_archive.toolchains.container import Engine

    # A container that the engine was still creating when the owner died appears a moment later.
    for pause in REPEAT_SECONDS:
        time.sleep(pause)
        try:
            Engine.connect(address).remove_run(run_id)
        except ContainerError:
            continue
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
