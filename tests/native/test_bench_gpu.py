"""The GPU benchmark without a GPU: its refusals, its table from recorded numbers, its clock on a fake device, and the whole of
it rehearsed on the CPU flavour, whose figures nobody reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import cuda
from tests.calls import error
from tests.companion import Conversation, released
from tests.conftest import ROOT

torch = pytest.importorskip("torch", reason="the benchmark's peer is PyTorch: make setup-bench")

from tests.bench import gpu, peer  # noqa: E402
from tests.bench.native_step import last_layer, native_step, reason_against  # noqa: E402
from tests.bench.thin_work import THIN  # noqa: E402
from tests.bench.work import Place, Work, all_work, compared, multiplying, network  # noqa: E402
from tests.e2e.conftest import built as built  # noqa: E402  (the fixture)

pytestmark = [pytest.mark.native, pytest.mark.torch, pytest.mark.slow, pytest.mark.xdist_group("bench-gpu")]


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu", *words])
    return gpu.main()


@pytest.mark.exhaustive
@pytest.mark.skipif(cuda.gpu_count() > 0, reason="there is a GPU")
def test_without_a_gpu_it_refuses_and_says_what_it_lacks() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.bench.gpu"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "") and cuda.GPU_NEEDS in done.stderr


def test_a_python_without_pytorch_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "GPU_PYTHON" in gpu.lacking()[-1]


@pytest.mark.parametrize("words", [["--repeat", "0"], ["--net", "lenet"], ["--math", "half"]])
def test_bad_options_are_refused(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as raised:
        sys.exit(main(monkeypatch, "--rehearse", *words))
    assert raised.value.code == 2


@pytest.mark.exhaustive
def test_every_type_of_layer_is_counted() -> None:
    for net in gpu.NETS:
        names = [work.name for work in all_work(net, 128, (multiplying, *THIN))]
        assert len(names) == len(set(names)) > 50
        pooled = {layer["type"] for layer in network(net).values()} - {"data", "hs", "softmax", "cost.logreg", "nailbed"}
        words = {"conv": "forward", "fc": "images", "pool": "gradient", "cmrnorm": "gradient", "cnorm": "mean",
                 "neuron": "relu", "blur": "across"}  # fmt: skip
        assert pooled <= words.keys()
        assert all(any(words[kind] in name for name in names) for kind in pooled)


@pytest.fixture(scope="module")
def talk() -> Any:
    conversation = Conversation(released())
    yield conversation
    conversation.close()


SMALL = ["conv3[0] weights", "conv2 bias", "conv5 bias gradient", "conv3[0] update", "conv2 relu gradient", "cnorm2 mean",
         "cnorm2 forward", "cnorm2 gradient", "rnorm2 forward", "rnorm2 gradient", "pool3 gradient", "blur0 down",
         "fc1000[0] forward", "fc1000[0] images", "fc1000[0] weights"]  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("last", peer.LAYOUTS)
def test_both_sides_do_the_same_work(name: str, last: bool, talk: Conversation) -> None:
    (work,) = (one for one in all_work("two-column-120", 2, (multiplying, *THIN)) if one.name == name)
    assert compared(talk, work, Place(last), 2) <= 5e-6


def recorded(name: str, ours: float, theirs: list[float], **more: Any) -> Work:
    return Work(name, "f", [], lambda n: [], lambda place, given: lambda: None, count=2, ours=[(ours, 0.0)],
                theirs=[(t, 0.0) for t in theirs], **more)  # fmt: skip


def test_the_table_of_recorded_numbers() -> None:
    peak = {"flops": 50e12, "bytes": 2e12}
    works = [
        recorded("conv9[0] forward", 2e-3, [3e-3, 1e-3], flops=5e8),
        recorded("pool9 forward", 1e-4, [2e-4, 3e-4], moved=lambda n: n * 250000.0),
    ]
    rows = [gpu.row(work, 1e-6 * (k + 1), 128, peak) for k, work in enumerate(works)]
    assert rows[0]["share"] == pytest.approx(128 * 5e8 / 50e12 / 2e-3) and rows[0]["speed"] == pytest.approx(0.5)
    assert rows[1]["share"] == pytest.approx(4 * 128 * 250000 / 2e12 / 1e-4) and rows[1]["share_of"] == "copy"
    total = gpu.sums(rows)
    assert total == {"ours_ms": pytest.approx(4.2), "torch_ms": pytest.approx(2.4), "speed": pytest.approx(2.4 / 4.2)}
    step = {"torch": {"seconds": 3e-3, "from_host": 9e-3, "layout": "contiguous"}, "native": None, "reason": "no Python 2.7"}
    found = {"net": "alexnet-2012", "math": "strict", "peak": peak, "functions": rows, "step": step,
             "sums": {"all": {**total, "speed_of_step": 3 / 4.2}, "multiplying": gpu.sums(rows[:1])}}  # fmt: skip
    text = "\n".join(gpu.table(found))
    assert "| conv9[0] forward | 2 | 64.00 |  | 2.000 | 0.64 of multiply-adds | 1.000 | 0.50 |" in text
    assert "| pool9 forward | 2 |  | 128.0 | 0.100 | 0.64 of copy | 0.200 | 2.00 |" in text
    assert "**0.71** of PyTorch's speed (asked: 0.5)." in text and "not measured: no Python 2.7" in text
    assert "50.0 TFLOP/s" in text and "2.0e-06 (pool9 forward)" in text
    cells = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(cells) == {9}
    step["native"] = {"seconds": 6e-3, "error": 0.0, "speed": 1.5}  # type: ignore[assignment]
    assert "6.00 ms; PyTorch's likewise 9.00 ms: **1.50** of its speed" in "\n".join(gpu.sentences(found))


def test_the_clock_of_a_device_takes_the_best_of_the_calls_it_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([5.0, 3.0, 4.0])
    queued: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            queued.append("event")

        def elapsed_time(self, last: Event) -> float:
            return next(told)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: queued.append("wait"))
    seconds = peer.best_seconds(lambda: queued.append("call"), "meta", 3)
    assert seconds == pytest.approx(3e-3)
    assert queued == ["call", "call", "wait", *["event", "call", "event"] * 3, "wait"]


@pytest.mark.exhaustive
def test_a_disagreement_ends_with_status_1_before_anything_is_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "TOLERANCES", {"strict": -1.0, "tf32": -1.0})
    monkeypatch.setattr(gpu, "measure", lambda *_: pytest.fail("timed"))
    assert main(monkeypatch, "--rehearse", "--net", "alexnet-2012", "--math", "tf32") == 1
    said = capsys.readouterr()
    assert said.out == "" and "conv3[0] forward: relative error" in said.err


@pytest.mark.exhaustive
def test_the_rehearsal_runs_everything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """But for the native step, which test_the_native_step_is_the_nets_own covers."""
    monkeypatch.setattr(gpu, "reason_against", lambda layers: "left out")
    assert main(monkeypatch, "--rehearse", "--net", "two-column-120", "--math", "strict", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rehearsal"] and report["torch"] == torch.__version__
    (run,) = report["runs"]
    assert run["cases"] == gpu.FEW and run["peak"] is None and len(run["functions"]) > 5
    assert all(one["ours_ms"] > 0 and one["torch_ms"] > 0 and one["error"] < 1e-4 for one in run["functions"])
    assert run["step"]["torch_error"] < 1e-4 and run["step"]["torch"]["seconds"] > 0


@pytest.mark.exhaustive
def test_the_native_step_is_the_nets_own(built: Path, tmp_path: Path) -> None:
    layers = network("alexnet-2012")
    assert reason_against(layers) is None
    assert "blur, cnorm, nailbed" in str(reason_against(network("two-column-120")))
    pictures, _ = gpu.minibatch(layers, 2)
    step = native_step(built / "build" / "host-cpu", layers, pictures, tmp_path, rounds=1, counts=(1, 2))
    assert step.activities.shape == (2, 1000)
    assert error(step.activities.T, peer.activities(layers, pictures, "cpu", last_layer(layers))) <= 1e-5
    assert np.isfinite(step.seconds)
