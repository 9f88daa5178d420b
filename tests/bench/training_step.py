"""One training step of `two-column-120`, the reference engine beside PyTorch on the CPU: agree first, time second.

Same network (blur, bed of nails, both normalisations, dropout), same weights, same minibatch of 128 random pictures,
same number of threads; PyTorch is timed in both memory layouts and the better one counts. The three take turns, a step each,
and the median of the rounds' ratios counts: a machine that is slow for a minute is slow for all of them. Exits with status 1
when the first cost or a gradient disagrees. Run with `make bench`, or `python -m tests.bench.training_step --json`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.layerdefs import find_definition, find_parameters, net_facts, read_network
from tests.bench.processor import processor

NET, CASES, CLASSES, SIDE = "two-column-120", 128, 1000, 224
COST_TOLERANCE = 1e-4
"""Relative, on the mean cost of one minibatch: single-precision sums in another order."""
GRADIENT_TOLERANCE = 2e-2
"""Relative norm, single precision: where two pixels of a pooling window round to the same value, both get the gradient
here and one does there, so a few elements differ by all of their size."""
EXACT_TOLERANCE = 1e-6
"""Relative norm, double precision on FEW cases, where such ties do not occur; rates and decays are single numbers."""
FEW = 8
OURS, LAYOUTS = "ours", ("contiguous", "channels_last")
REST = 0.5
"""Seconds before each step, in which the threads of the side before go to sleep."""
COMPARED = (("conv1a", 0), ("conv2b", 0), ("conv2b", 1), ("conv3a", 1), ("conv5b", 0), ("fc2048bb", 1), ("fc1000", 0))


def make_layers(dropout: bool) -> dict[str, dict[str, Any]]:
    facts, definition = net_facts(NET), find_definition(NET)
    assert facts is not None
    layers = read_network(definition, find_parameters(definition), facts.shape(), num_gpus=2).to_dicts(
        np.random.RandomState(20120930)
    )
    for layer in layers.values():
        if layer["type"] == "hs":
            layer["enable"] = dropout
    return layers


def make_data(cases: int = CASES) -> list[np.ndarray]:
    rng = np.random.default_rng(20120930)
    pictures = rng.standard_normal((3 * SIDE * SIDE, cases), dtype=np.float32) * 60
    return [pictures, rng.integers(0, CLASSES, (1, cases)).astype(np.float32)]


def our_step(threads: int, cases: int) -> Callable[[], object]:
    engine = ReferenceEngine(make_layers(True), num_gpus=2, minibatch=cases, workers=threads)
    data = make_data(cases)
    return lambda: engine.train_batch(data, 0.0)


class TwoColumns:
    """The same network in PyTorch, as a user would write it, reading weights and settings from our dictionaries."""

    def __init__(self, layers: dict[str, dict[str, Any]], *, channels_last: bool, dropout: bool) -> None:
        import torch

        self.torch, self.layers, self.dropout = torch, layers, dropout
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.parameters: dict[tuple[str, int], Any] = {}
        weights, biases = [], []
        for name, layer in layers.items():
            for i, w in enumerate(layer.get("weights", [])):
                tensor = torch.from_numpy(np.array(w.T, order="C"))
                if layer["type"] == "conv":
                    side = layer["filterSize"][i]
                    tensor = tensor.reshape(layer["filters"], -1, side, side).contiguous(memory_format=self.format)
                self.parameters[name, i] = tensor.requires_grad_()
                weights.append(tensor)
            if "biases" in layer:
                self.parameters[name, -1] = torch.from_numpy(layer["biases"].reshape(-1).copy()).requires_grad_()
                biases.append(self.parameters[name, -1])
        kernel = torch.from_numpy(np.array(layers["blur0"]["filter"]).reshape(-1))
        self.across = kernel.reshape(1, 1, 1, -1).repeat(3, 1, 1, 1)
        self.down = kernel.reshape(1, 1, -1, 1).repeat(3, 1, 1, 1)
        first = layers["conv3a"]
        groups = [
            {"params": weights, "lr": first["epsW"][0], "weight_decay": first["wc"][0]},
            {"params": biases, "lr": first["epsB"], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.SGD(groups, lr=first["epsW"][0], momentum=first["momW"][0], fused=True)

    def _conv(self, name: str, *inputs: Any) -> Any:
        layer, functional = self.layers[name], self.torch.nn.functional
        total = None
        for i, x in enumerate(inputs):
            over = (layer["modulesX"] - 1) * layer["stride"][i] + layer["filterSize"][i] - x.shape[2] + 2 * layer["padding"][i]
            x = functional.pad(x, (0, over, 0, over)) if over > 0 else x
            bias = self.parameters[name, -1] if i == 0 else None
            y = functional.conv2d(x, self.parameters[name, i], bias, layer["stride"][i], -layer["padding"][i])
            total = y if total is None else total + y
        return total

    def _fc(self, name: str, *inputs: Any) -> Any:
        functional = self.torch.nn.functional
        first = functional.linear(inputs[0], self.parameters[name, 0], self.parameters[name, -1])
        return first + functional.linear(inputs[1], self.parameters[name, 1])

    def _across_maps(self, name: str, x: Any) -> Any:
        layer = self.layers[name]
        size = layer["size"]
        return self.torch.nn.functional.local_response_norm(x, size, layer["scale"] * size, layer["pow"], layer["minDiv"])

    def _contrast(self, name: str, x: Any) -> Any:
        layer, pool = self.layers[name], self.torch.nn.functional.avg_pool2d
        size = layer["size"]
        mean = pool(x.detach(), size, 1, size // 2, count_include_pad=False)
        squares = pool((x - mean) ** 2, size, 1, size // 2) * (size * size)
        return x * (1 + layer["scale"] * squares) ** -layer["pow"]

    def _drop(self, x: Any) -> Any:
        return x * (self.torch.rand_like(x) < 0.5) if self.dropout else x * 0.5

    def cost(self, pictures: Any, labels: Any) -> Any:
        functional, pool = self.torch.nn.functional, self.torch.nn.functional.max_pool2d
        reach = self.across.shape[3] // 2
        with self.torch.no_grad():
            blurred = functional.conv2d(pictures, self.across, None, 1, (0, reach), 1, 3)
            blurred = functional.conv2d(blurred, self.down, None, 1, (reach, 0), 1, 3)
            start, stride = self.layers["nails0"]["start"], self.layers["nails0"]["stride"]
            nails = blurred[:, :, start::stride, start::stride].contiguous(memory_format=self.format)
        relu, middle = self.torch.relu, {}
        for c in "ab":
            x = self._across_maps(f"rnorm1{c}", relu(pool(self._conv(f"conv1{c}", pictures), 3, 2)))
            x = self._across_maps(f"rnorm2{c}", relu(self._conv(f"conv2{c}", nails, x)))
            middle[c] = pool(self._contrast(f"cnorm2{c}", x), 3, 2)
        top = {}
        for c in "ab":
            x = relu(self._conv(f"conv3{c}", middle["a"], middle["b"]))
            x = relu(self._conv(f"conv4{c}", x))
            top[c] = relu(pool(self._conv(f"conv5{c}", x), 3, 2)).flatten(1)
        one = {c: self._drop(relu(self._fc(f"fc2048{c}", top["a"], top["b"]))) for c in "ab"}
        two = {
            "a": self._drop(relu(self._fc("fc2048ba", one["a"], one["b"]))),
            "b": self._drop(relu(self._fc("fc2048bb", one["b"], one["a"]))),
        }
        return functional.cross_entropy(self._fc("fc1000", two["a"], two["b"]), labels)

    def to_double(self) -> None:
        self.parameters = {key: p.detach().double().requires_grad_() for key, p in self.parameters.items()}
        self.across, self.down = self.across.double(), self.down.double()

    def load(self, data: list[np.ndarray]) -> tuple[Any, Any]:
        pictures = self.torch.from_numpy(np.array(data[0].T)).reshape(-1, 3, SIDE, SIDE)
        return pictures.contiguous(memory_format=self.format), self.torch.from_numpy(data[1][0].astype(np.int64))

    def step(self, pictures: Any, labels: Any) -> Any:
        self.optimiser.zero_grad(set_to_none=True)
        cost = self.cost(pictures, labels)
        cost.backward()
        self.optimiser.step()
        return cost


def gradients(threads: int, cases: int, double: bool) -> dict[str, float]:
    """Relative errors of the first cost and of first gradients, dropout scaling instead of masking."""
    layers, data = make_layers(False), make_data(cases)
    theirs = TwoColumns(layers, channels_last=False, dropout=False)
    pictures, labels = theirs.load(data)
    if double:
        theirs.to_double()
        pictures = pictures.double()
    cost = theirs.cost(pictures, labels)
    cost.backward()
    precision = np.float64 if double else np.float32
    engine = ReferenceEngine(layers, num_gpus=2, minibatch=cases, workers=threads, dtype=precision)
    before = {(name, i): layers[name]["weights"][i].copy() for name, i in COMPARED}
    ours = engine.train_batch(data, 0.0).means()["logprob"][0]
    engine.sync()
    errors = {"cost": abs(ours - cost.item()) / abs(cost.item())}
    for name, i in COMPARED:
        layer, matrix = layers[name], engine.graph.layers[name].weights[i]
        # First step from zero momentum: V = ε·ḡ − λεW, and ḡ is the negative derivative of the mean cost.
        mine = -(matrix.increment / layer["epsW"][i] + layer["wc"][i] * before[name, i])
        other = theirs.parameters[name, i].grad.reshape(mine.shape[1], -1).numpy().T
        errors[f"{name} weights[{i}]"] = float(np.linalg.norm(mine - other) / np.linalg.norm(other))
    engine.close()
    return errors


def agree(threads: int) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Errors in single and double precision, and what disagrees, in words."""
    errors = {"single": gradients(threads, CASES, False), "double": gradients(threads, FEW, True)}
    bounds = {"single": GRADIENT_TOLERANCE, "double": EXACT_TOLERANCE}
    bad = [
        f"{precision} {name}: {error:.2e}"
        for precision, found in errors.items()
        for name, error in found.items()
        if not error <= (min(COST_TOLERANCE, bounds[precision]) if name == "cost" else bounds[precision])
    ]
    return errors, bad


def their_step(threads: int, cases: int, channels_last: bool) -> Callable[[], object]:
    import torch

    torch.set_num_threads(threads)
    model = TwoColumns(make_layers(True), channels_last=channels_last, dropout=True)
    pictures, labels = model.load(make_data(cases))
    return lambda: model.step(pictures, labels)


def answer_calls(mode: str, threads: int, cases: int) -> None:
    """The child's side: after one step to warm up, one for every line that comes in, timed; at last the peak of its memory."""
    step = our_step(threads, cases) if mode == OURS else their_step(threads, cases, mode == LAYOUTS[1])
    step()
    print(flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        step()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - processor]), flush=True)
    # The high-water mark of this program alone: getrusage's would start from the parent's.
    print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 2**20)


class Child:
    """One side in a process of its own, so that memory and threads are its own; it computes only when called."""

    def __init__(self, mode: str, threads: int, cases: int) -> None:
        command = [sys.executable, "-m", "tests.bench.training_step", "--only", mode]
        command += ["--threads", str(threads), "--cases", str(cases)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.steps: list[tuple[float, float]] = []
        self.read()

    def read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self.process.args))} ended with status {self.process.wait()}")
        return line

    def step(self) -> None:
        time.sleep(REST)
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        self.steps.append(json.loads(self.read()))

    def result(self) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        walls, processors = zip(*self.steps)
        peak = float(self.read())
        self.process.wait()
        return {
            "best_s": min(walls), "median_s": statistics.median(walls), "worst_s": max(walls),
            "processor_s": statistics.median(processors), "peak_gib": peak,
        }  # fmt: skip


def rounds(threads: int, count: int, cases: int = CASES) -> dict[str, Child]:
    """All sides after `count` rounds, in each of which every one makes a step."""
    children = {mode: Child(mode, threads, cases) for mode in (OURS, *LAYOUTS)}
    for _ in range(count):
        for child in children.values():
            child.step()
    return children


def ratios(children: dict[str, Child], layout: str, clock: int) -> list[float]:
    """PyTorch's seconds over ours, round by round: by the wall (0) or of the processor (1)."""
    return [theirs[clock] / ours[clock] for theirs, ours in zip(children[layout].steps, children[OURS].steps)]


def better(children: dict[str, Child], clock: int) -> tuple[str, float]:
    """PyTorch's better layout by the median of the ratios, and that ratio."""
    found = {layout: statistics.median(ratios(children, layout, clock)) for layout in LAYOUTS}
    layout = min(found, key=lambda name: found[name])
    return layout, found[layout]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=9, help="timed steps of each, after one to warm up")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", type=int, default=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=(OURS, *LAYOUTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        answer_calls(options.only, options.threads, options.cases)
        return 0
    import torch

    torch.set_num_threads(options.threads)
    errors, bad = agree(options.threads)
    if bad:
        print("the reference engine and PyTorch disagree: " + "; ".join(bad), file=sys.stderr)
        return 1
    children = rounds(options.threads, options.rounds)
    layout, ratio = better(children, 0)
    report = {
        "processor": processor(), "net": NET, "cases": CASES, "threads": options.threads, "rounds": options.rounds,
        "errors": errors, "ratio": ratio, "ratios": ratios(children, layout, 0), "processor_ratio": better(children, 1)[1],
        "pytorch": {"version": torch.__version__, "layout": layout}, "numpy": np.__version__,
        "runs": {mode: child.result() for mode, child in children.items()},
    }  # fmt: skip
    print(json.dumps(report, indent=2) if options.json else in_words(report))
    return 0


def in_words(report: dict[str, Any]) -> str:
    lines = [report["processor"]]
    lines.append(f"{NET}, minibatch {CASES}, {report['threads']} threads, {report['rounds']} rounds: forward, backward, update")
    for precision, found in report["errors"].items():
        lines.append(f"agreement, {precision}: {', '.join(f'{name} {error:.1e}' for name, error in found.items())}")
    for mode, run in report["runs"].items():
        lines.append(
            f"{mode:14s} {run['best_s']:.2f} to {run['worst_s']:.2f} s, median {run['median_s']:.2f} s"
            f" ({CASES / run['median_s']:.1f} cases/s), processor {run['processor_s']:.2f} s,"
            f" peak memory {run['peak_gib']:.2f} GiB"
        )
    peer = f"PyTorch {report['pytorch']['version']} ({report['pytorch']['layout']})"
    spread = f"{min(report['ratios']):.2f} to {max(report['ratios']):.2f}"
    lines.append(
        f"ratio to {peer}: {report['ratio']:.2f} of its cases per second, median of {spread};"
        f" {report['processor_ratio']:.2f} per processor second"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
