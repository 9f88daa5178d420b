"""Command lines, environments, and what the end of a child means; a runner that plays parts stands for the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive.engines import native
from alexnet_archive.engines.native.options import TYPED, typed
from alexnet_archive.errors import Interrupted, NativeEngineError, NonFiniteError
from alexnet_archive.training import TABLE


class Player:
    """Says its lines and ends with its status; remembers what it was asked to run."""

    def __init__(self, lines: Sequence[str] = (), status: int = 0) -> None:
        self.lines, self.status = lines, status
        self.command: list[str] = []
        self.environment: dict[str, str] = {}

    def run(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], on_line: Callable[[str], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> int:  # fmt: skip
        self.command, self.environment = list(command), dict(environment)
        for line in self.lines:
            on_line(line)
        return self.status

    def path(self, host: Path) -> str:
        return f"/inside{host}"


def installation(player: Player) -> native.Installation:
    return native.Installation(Path("/o"), Path("/m"), Path("/c"), "python2.7", player, {"LD_PRELOAD": "x"})


def train(player: Player, tmp_path: Path, stop: Callable[[], bool] = lambda: False, **values: Any) -> Path | None:
    values = {"layer_def": "/n/net.cfg", "num_gpus": 2, **values}
    return native.train(installation(player), values, workdir=tmp_path, seed=9, stop=stop)


def test_the_command_line_uses_the_releases_spelling_and_the_runners_paths(tmp_path: Path) -> None:
    player = Player()
    train(
        player, tmp_path, train_batch_range=[1, 2, 3], test_batch_range=[2000], gpu=[3, 1], color_noise=0.1, data_path="/d",
        multiview_test=True, test_out="",
    )  # fmt: skip
    assert player.command == [
        "python2.7", "-u", "/inside/c/run_release.py", "/inside/o/convnet.py", "--layer-def=/inside/n/net.cfg", "--num-gpus=2",
        "--train-range=1-3", "--test-range=2000", "--gpu=3,1", "--color-noise=0.1", "--data-path=/inside/d",
        "--multiview-test=1",
    ]  # fmt: skip


def test_the_environment_keeps_the_release_clean_and_seeds_it(tmp_path: Path) -> None:
    player = Player()
    train(player, tmp_path, gpu=[3, 1])
    environment = player.environment
    assert environment["PYTHONPATH"] == "/inside/c:/inside/m" and environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment["ALEXNET_ARCHIVE_SEED"] == "9" and environment["LD_PRELOAD"] == "x"
    # As many devices as the highest ordinal needs, not only as many as layers use.
    assert environment["ALEXNET_ARCHIVE_CPU_DEVICES"] == "4"


def test_every_option_of_ours_has_the_same_spelling_as_in_our_own_table() -> None:
    for option in TABLE:
        letter = f"-{option.letter}" if len(option.letter) == 1 else f"--{option.letter}"
        assert TYPED[option.name] == letter


def test_an_option_that_the_release_has_not_is_refused() -> None:
    with pytest.raises(KeyError):
        typed({"no_such_option": 1}, Player())


BATCH = "1.2... logprob: 2.3, 0.9, 0.5"


@pytest.mark.parametrize(
    ("lines", "status", "error", "words"),
    [
        (["1.2... logprob: nan, 0.9, 0.5 <-"], 1, NonFiniteError, "batch 1.2"),
        ([BATCH, "MemoryError"], 1, NativeEngineError, "memory"),
        ([BATCH, "terminate called after throwing an instance of 'std::bad_alloc'"], -6, NativeEngineError, "memory"),
        ([BATCH], 137, NativeEngineError, "memory"),
        (["Layer 'a': gpu 3 is not among the devices"], 1, NativeEngineError, "--gpus"),
        (
            [BATCH, "alexnet-archive: native stack of the crashed thread", "_ConvNet.so(+0x11)"],
            -11,
            NativeEngineError,
            "SIGSEGV",
        ),
        (["Traceback (most recent call last):", "ImportError: No module named pylab"], 1, NativeEngineError, "pylab"),
    ],
)
def test_each_end_has_its_error_and_keeps_the_last_words(
    tmp_path: Path, lines: list[str], status: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        train(Player(lines, status), tmp_path)
    told = f"{raised.value} {raised.value.remedy}"  # type: ignore[attr-defined]
    assert words in told
    if lines[0] == BATCH:
        assert "1.2" in told
    assert (tmp_path / "native-last-words.txt").read_text().splitlines() == lines


def test_a_stop_on_request_says_how_to_go_on(tmp_path: Path) -> None:
    run = "/runs/ConvNet__2012-08-03_14.28.23"
    player = Player([BATCH, "logprob: 1.0", "logprob: 1.0", run], 130)
    with pytest.raises(Interrupted) as raised:
        train(player, tmp_path, stop=lambda: True)
    assert run in str(raised.value.remedy)


def test_a_run_that_saved_nothing_returns_nothing(tmp_path: Path) -> None:
    assert train(Player([BATCH]), tmp_path) is None


def test_the_run_folder_is_found_on_the_host(tmp_path: Path) -> None:
    lines = [BATCH, "logprob: 1.0", "logprob: 1.0", "/inside/s/ConvNet__2012-08-03_14.28.23"]
    assert train(Player(lines), tmp_path, save_path="/s") == Path("/s/ConvNet__2012-08-03_14.28.23")


def test_devices_of_a_definition(tmp_path: Path) -> None:
    path = tmp_path / "net.cfg"
    path.write_text("[a]\ntype=fc\n[b]\ngpu=1 ; second\n[a]\ngpu=0\n")
    assert native.devices_of(path) == 2
