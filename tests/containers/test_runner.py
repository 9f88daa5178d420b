"""Commands in containers, on a real engine: what they see, how they end, and that nothing of ours is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexnet_archive.errors import ContainerError, MissingToolError, UserInputError
from alexnet_archive.toolchains import images
from alexnet_archive.toolchains.container import OWNER_LABEL, Engine, Mount, Task, owner, owner_lives
from alexnet_archive.toolchains.images import BuiltImage
from alexnet_archive.toolchains.runner import ContainerRunner
from tests.containers.private_engine import private_engine

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]
NOBODY = 65534
CHILDREN: list[str] = []


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user may write to, as the caller's own build folder is."""
    with tempfile.TemporaryDirectory(prefix="ax-run-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("source", "build"):
            (folder / part).mkdir()
        (folder / "source" / "a file.txt").write_text("from the host\n")
        if os.geteuid() == 0:
            os.chown(folder / "build", NOBODY, NOBODY)
        yield folder


@pytest.fixture
def runner(engine: Engine, image: Callable[[str], BuiltImage], place: Path) -> ContainerRunner:
    mounts = [Mount(place / "source", "/alexnet/original"), Mount(place / "build", "/alexnet/build", read_only=False)]
    made = images.runner(engine, image("cpu"), mounts)
    if os.geteuid() == 0:
        made.user = f"{NOBODY}:{NOBODY}"
    return made


def run(runner: ContainerRunner, place: Path, script: str, **options: object) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = runner.run(
        ["sh", "-c", script], cwd=place / "build", environment={"NAME": "value"}, on_line=lines.append, **options  # type: ignore[arg-type]
    )
    return status, lines


def ours(engine: Engine) -> list[str]:
    """Containers of ours that do not belong to another living process, such as a build that runs beside these tests."""
    found = engine.client.containers.list(all=True, filters={"label": OWNER_LABEL})
    mine = owner()
    return [c.id for c in found if c.labels[OWNER_LABEL] in (mine, *CHILDREN) or not owner_lives(c.labels[OWNER_LABEL])]


def test_output_order_status_and_environment(runner: ContainerRunner, place: Path) -> None:
    status, lines = run(runner, place, "for i in 1 2 3; do echo out $i; echo err $i >&2; done; echo $NAME; pwd; exit 7")
    assert status == 7
    assert lines == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", "value", "/alexnet/build"]
    assert ours(runner.engine) == []


def test_a_long_line_and_bytes_that_are_no_text(runner: ContainerRunner, place: Path) -> None:
    status, lines = run(runner, place, r"head -c 300000 /dev/zero | tr '\0' x; echo; printf 'a\377b\n'; printf 'no end'")
    assert status == 0
    assert [len(line) for line in lines] == [300000, 3, 6]


def test_it_runs_as_the_given_user_without_network_or_rights(runner: ContainerRunner, place: Path) -> None:
    script = "id -u; grep CapEff /proc/self/status; ls /sys/class/net; touch /alexnet/original/x /usr/x; touch made"
    status, lines = run(runner, place, script)
    assert status == 0
    assert lines[0] == runner.user.split(":")[0] != "0"
    assert lines[1].split()[1].strip("0") == ""
    assert lines[2] == "lo"
    assert len(lines) == 5
    assert "Read-only" in lines[3]
    assert "Read-only" in lines[4]
    assert (place / "build" / "made").stat().st_uid == int(lines[0])
    assert not (place / "source" / "x").exists()


def test_paths_are_translated_both_ways(runner: ContainerRunner, place: Path) -> None:
    inside = runner.path(place / "source" / "a file.txt")
    assert inside == "/alexnet/original/a file.txt"
    assert run(runner, place, f"cat '{inside}'") == (0, ["from the host"])
    with pytest.raises(UserInputError, match="does not see"):
        runner.path(place / "elsewhere")
    with pytest.raises(UserInputError, match="does not see"):
        runner.path(place / "source" / ".." / "elsewhere")


def test_stop_interrupts_then_kills(runner: ContainerRunner, place: Path) -> None:
    seen: list[str] = []
    script = "trap 'echo got it; exit 5' INT; echo ready; while :; do sleep 0.1; done"
    status = runner.run(
        ["sh", "-c", script], cwd=place / "build", environment={}, on_line=seen.append, stop=lambda: "ready" in seen
    )
    assert (status, seen) == (5, ["ready", "got it"])
    assert ours(runner.engine) == []


def test_a_command_that_ignores_the_interrupt_is_killed(
    runner: ContainerRunner, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexnet_archive.toolchains.container.GRACE_SECONDS", 1.0)
    started = time.monotonic()
    status, _ = run(runner, place, "trap '' INT TERM; while :; do sleep 0.1; done", stop=lambda: True)
    assert status == -signal.SIGKILL
    assert time.monotonic() - started < 30


def test_ends_are_reported_as_those_of_local_commands(runner: ContainerRunner, place: Path) -> None:
    with pytest.raises(MissingToolError, match="no-such-program cannot be run in the image"):
        runner.run(["no-such-program"], cwd=place / "build", environment={}, on_line=lambda line: None)
    status, _ = run(runner, place, "exec python2.7 -c 'import ctypes; ctypes.string_at(0)'")
    assert status == -signal.SIGSEGV
    assert ours(runner.engine) == []


def test_control_c_removes_the_container(runner: ContainerRunner, place: Path) -> None:
    def press(line: str) -> None:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        runner.run(["sh", "-c", "echo go; sleep 300"], cwd=place / "build", environment={}, on_line=press)
    assert ours(runner.engine) == []


def test_a_callback_that_fails_removes_the_container(runner: ContainerRunner, place: Path) -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="go"):
        runner.run(["sh", "-c", "echo go; sleep 300"], cwd=place / "build", environment={}, on_line=fail)
    assert ours(runner.engine) == []


HARNESS = """
import os, sys
from pathlib import Path
from alexnet_archive.toolchains.container import Engine, Mount, owner
from alexnet_archive.toolchains.runner import ContainerRunner
print(owner(), flush=True)
address, image, folder = sys.argv[1:]
mounts = [Mount(Path(folder), "/alexnet/build", False)]
runner = ContainerRunner(Engine.connect(address), image, mounts, user="65534:65534")
command = ["sh", "-c", "echo running; sleep 300"]
runner.run(command, cwd=Path(folder), environment={}, on_line=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_killing_the_harness_leaves_nothing(runner: ContainerRunner, place: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HARNESS), runner.engine.address, runner.image, str(place / "build")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as harness:
        assert harness.stdout is not None
        CHILDREN.append(harness.stdout.readline().strip())
        began = harness.stdout.readline()
        running = len(ours(runner.engine))
        os.killpg(harness.pid, number)
        assert (began, running) == ("running\n", 1)
        harness.wait(20)
    end = time.monotonic() + 20
    while ours(runner.engine) and time.monotonic() < end:
        time.sleep(0.2)
    assert ours(runner.engine) == []


def test_sweep_removes_what_a_dead_owner_left_and_nothing_else(engine: Engine, image: Callable[[str], BuiltImage]) -> None:
    make = engine.client.containers.create
    mine = make(image("cpu").facts.id, ["true"], labels={OWNER_LABEL: owner()})
    dead = make(image("cpu").facts.id, ["true"], labels={OWNER_LABEL: "4194304:1"})
    foreign = make(image("cpu").facts.id, ["true"])
    try:
        assert engine.sweep() == [dead.id]
        left = {container.id for container in engine.client.containers.list(all=True)}
        assert {mine.id, foreign.id} <= left
    finally:
        mine.remove(force=True)
        foreign.remove(force=True)


def test_no_gpu_runtime_is_a_clear_error(engine: Engine, image: Callable[[str], BuiltImage], place: Path) -> None:
    if "nvidia" in engine.client.info().get("Runtimes", {}):
        pytest.skip("this engine can hand out GPUs")
    made = ContainerRunner(engine, image("cpu").facts.id, [Mount(place / "build", "/alexnet/build", False)], gpus=())
    with pytest.raises(ContainerError, match="cannot hand GPUs") as caught:
        made.run(["true"], cwd=place / "build", environment={}, on_line=lambda line: None)
    assert "NVIDIA Container Toolkit" in (caught.value.remedy or "")
    assert ours(engine) == []


def test_an_engine_killed_in_the_middle(place: Path) -> None:
    """A second engine, killed while a container runs: a clear error at once, and the next engine there can sweep."""
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine of its own")
    with tempfile.TemporaryDirectory(prefix="ax-dead-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        lines: list[str] = []
        with private_engine(folder, isolated=True) as (engine, process):
            identity = _tiny_image(engine)
            task = Task(identity, ["/bin/tiny"], [Mount(place / "build", "/alexnet/build", False)])

            def on_line(line: str) -> None:
                lines.append(line)
                process.kill()

            started = time.monotonic()
            with pytest.raises(ContainerError, match=r"went away|no container engine answers"):
                engine.execute(task, on_line)
            assert lines == ["running"]
            assert time.monotonic() - started < 60
        (folder / "docker.pid").unlink(missing_ok=True)
        with private_engine(folder, isolated=True) as (engine, _):
            engine.remove_run(_label(engine)) if ours(engine) else None
            assert ours(engine) == []


def _label(engine: Engine) -> str:
    from alexnet_archive.toolchains.container import RUN_LABEL

    return str(engine.client.containers.get(ours(engine)[0]).labels[RUN_LABEL])


def _tiny_image(engine: Engine) -> str:
    """An image with one static program that says `running` and sleeps."""
    import io
    import tarfile

    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "tiny.c"
        source.write_text('#include <unistd.h>\nint main(void) { write(1, "running\\n", 8); sleep(300); return 0; }\n')
        program = Path(name) / "tiny"
        subprocess.run(["cc", "-static", "-o", str(program), str(source)], check=True)
        data = program.read_bytes()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("bin/tiny")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    engine.client.api.import_image_from_data(stream.getvalue(), repository="tiny", tag="1")
    return "tiny:1"
