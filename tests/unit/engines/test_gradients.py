"""Analytic gradients against central differences in double precision, for every layer type, neuron and cost.

The total cost is Σ coeff × first value; gradients are sums over cases of its negative derivative (engine-semantics 0.2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from alexnet_archive.engines.base import Pass
from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.engines.reference.layer import TYPES
from alexnet_archive.engines.reference.neurons import NEURONS
from tests.unit.engines.nets import Net, minibatch

CASES, CLASSES = 5, 4
STEP = 1e-5


def total(engine: ReferenceEngine, data: list[np.ndarray], pass_type: Pass) -> float:
    engine._forward(data, pass_type)
    return sum(cost.coeff * cost.values[0] for cost in engine.graph.costs)


def compare(net: Net, data: list[np.ndarray], pass_type: Pass = Pass.GC, probes: int = 12, **options) -> None:
    """Every weight and bias matrix of the net: a handful of elements each, all directions at random."""
    engine = net.engine(dtype=np.float64, minibatch=CASES, **options)
    data = [np.asarray(m, np.float64) for m in data]
    total(engine, data, pass_type)
    engine._backward(pass_type)
    rng = np.random.default_rng(3)
    checked = 0
    for layer in engine.graph.weighted:
        for p in (*layer.weights, layer.biases):
            own = p.owner
            analytic = own.increment if own.direct else own.gradient
            assert analytic is not None, layer.name
            for flat in rng.choice(own.value.size, min(probes, own.value.size), replace=False):
                place = np.unravel_index(flat, own.value.shape)
                before = own.value[place]
                costs = []
                for sign in (1, -1):
                    own.value[place] = before + sign * STEP
                    costs.append(total(engine, data, pass_type))
                own.value[place] = before
                numeric = -(costs[0] - costs[1]) / (2 * STEP)
                assert np.isfinite(analytic[place])
                assert analytic[place] == pytest.approx(numeric, rel=2e-5, abs=2e-7), (layer.name, place)
                checked += 1
    assert checked


def front(features: int = 12, **keys) -> Net:
    """Data → fc, so that what comes next has to pass a gradient down."""
    return Net().data("data", 6).fc("below", "data", features, **keys)


def images(channels: int, side: int, **keys) -> Net:
    """Data → conv, giving `channels` maps of `side`; gradients of its weights test what lies above."""
    part = {"channels": 2, "filter": 3, "padding": 1}
    return Net().data("data", 2 * side * side).conv("below", "data", [part], channels, init=0.5, **keys)


def finish(net: Net, top: str) -> tuple[Net, list[np.ndarray]]:
    """A classifier over `top`, and data for the whole."""
    net.fc("top", top, CLASSES, init=0.1).classifier("top")
    return net, minibatch(net.size("data"), CLASSES, CASES)


LAYERS: dict[str, Callable[[], tuple[Net, list[np.ndarray]]]] = {
    "fc": lambda: finish(front().add("sum", "eltsum", ["below", "below"], coeffs=[1.0, 0.5]), "sum"),
    "fc two inputs": lambda: finish(front().fc("second", ["below", "data"], 7), "second"),
    "softmax": lambda: finish(front().add("soft", "softmax", "below"), "soft"),
    "eltsum": lambda: finish(
        front().neuron("n", "below", "square").add("s", "eltsum", ["n", "below"], coeffs=[2.0, -1.5]), "s"
    ),
    "eltmax": lambda: finish(front().fc("o", "data", 12).fc("p", "data", 12).add("m", "eltmax", ["below", "o", "p"]), "m"),
    "concat": lambda: finish(
        front().fc("other", "data", 5).add("cat", "concat", ["below", "other"], 17, copyOffsets=[0, 12]), "cat"
    ),
    "hs": lambda: finish(front().add("drop", "hs", "below", keep=0.3, enable=True), "drop"),
    "neuron": lambda: finish(front().neuron("n", "below", "logistic"), "n"),
    "conv": lambda: finish(
        images(4, 7).conv("c", "below", [{"channels": 4, "filter": 3, "padding": 2, "stride": 1}], 5), "c"
    ),
    "conv strided overhang": lambda: finish(
        images(4, 8).conv("c", "below", [{"channels": 4, "filter": 3, "padding": 1, "stride": 2}], 3), "c"
    ),
    "conv stride 3 of 4": lambda: finish(images(2, 9).conv("c", "below", [{"channels": 2, "filter": 4, "stride": 3}], 3), "c"),
    "conv groups": lambda: finish(
        images(8, 5).conv("c", "below", [{"channels": 8, "filter": 3, "padding": 1, "groups": 2}], 6), "c"
    ),
    "conv two inputs, unshared biases": lambda: finish(
        images(4, 6).conv(
            "c", ["below", "data"], [{"channels": 4, "filter": 3}, {"channels": 2, "filter": 3}], 4, sharedBiases=False
        ),
        "c",
    ),
    "conv random sparse": lambda: finish(
        images(4, 5).conv("c", "below", [sparse(4, 2, 2)], 4), "c"
    ),
    "conv random sparse, over-sampled": lambda: finish(
        images(4, 5).conv("c", "below", [sparse(4, 4, 2)], 8), "c"
    ),
    "local": lambda: finish(
        images(4, 6).local("l", "below", [{"channels": 4, "filter": 3, "padding": 1, "stride": 2}], 3), "l"
    ),
    "local groups, two inputs": lambda: finish(
        images(4, 5).local(
            "l", ["below", "data"], [{"channels": 4, "filter": 2, "groups": 2}, {"channels": 2, "filter": 2}], 4
        ),
        "l",
    ),
    "local random sparse, over-sampled": lambda: finish(images(4, 5).local("l", "below", [sparse(4, 4, 2)], 8), "l"),
    "pool max": lambda: finish(images(3, 7).pool("p", "below", "max", 3, 3, 2), "p"),
    "pool max start -1": lambda: finish(images(3, 7).pool("p", "below", "max", 3, 3, 2, start=-1), "p"),
    "pool maxabs": lambda: finish(images(3, 7).pool("p", "below", "maxabs", 3, 3, 2), "p"),
    "pool avg": lambda: finish(images(3, 6).pool("p", "below", "avg", 3, 3, 2), "p"),
    "pool rand doMax": lambda: finish(images(3, 6).pool("p", "below", "rand", 3, 3, 2, doMax=True), "p"),
    "cmrnorm": lambda: finish(images(6, 3).norm("n", "cmrnorm", "below", 6, 3, 0.4, 0.75), "n"),
    "cmrnorm even, floor": lambda: finish(images(6, 3).norm("n", "cmrnorm", "below", 6, 4, 0.4, 0.6, minDiv=0.25), "n"),
    "cmrnorm blocked": lambda: finish(images(7, 3).norm("n", "cmrnorm", "below", 7, 3, 0.4, 0.75, blocked=True), "n"),
    "rnorm": lambda: finish(images(2, 6).norm("n", "rnorm", "below", 2, 3, 0.2, 0.75), "n"),
    "rnorm even": lambda: finish(images(2, 6).norm("n", "rnorm", "below", 2, 4, 0.2, 0.5), "n"),
    "nailbed": lambda: finish(
        images(2, 7).image("n", "nailbed", "below", 2, 2 * 16, start=0, stride=2, outputsX=4), "n"
    ),
    "blur": lambda: finish(
        images(2, 6).image("b", "blur", "below", 2, filter=np.array([[0.1, 0.2, 0.4, 0.2, 0.1]], np.float32)), "b"
    ),
    "href": lambda: finish(images(3, 4).image("h", "href", "below", 3), "h"),
}  # fmt: skip


def sparse(channels: int, groups: int, depth: int) -> dict[str, object]:
    rng = np.random.default_rng(5)
    samples = groups * depth // channels
    conns = [int(c) for _ in range(samples) for c in rng.permutation(channels)]
    return {"channels": channels, "filter": 3, "padding": 1, "groups": groups, "filterChannels": depth, "conns": conns}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    net, data = LAYERS[name]()
    compare(net, data)


def test_dropout_in_training_passes_the_mask_down() -> None:
    """The masked pass, with the mask held still by putting the random stream back before every forward."""
    net, data = finish(front().add("drop", "hs", "below", keep=0.5, enable=True), "drop")
    engine = net.engine(dtype=np.float64, minibatch=CASES)
    data = [np.asarray(m, np.float64) for m in data]

    def cost() -> float:
        engine._context.random.blocks.clear()
        return total(engine, data, Pass.TRAIN)

    cost()
    assert 0 < engine.graph.layers["drop"].keep["mask"].mean() < 1
    engine.graph.backward(Pass.TRAIN)
    below = engine.graph.layers["below"].weights[0]
    numeric = np.zeros_like(below.value)
    for place in np.ndindex(numeric.shape):
        before = below.value[place]
        ends = []
        for sign in (1, -1):
            below.value[place] = before + sign * STEP
            ends.append(cost())
        below.value[place] = before
        numeric[place] = -(ends[0] - ends[1]) / (2 * STEP)
    np.testing.assert_allclose(below.increment, 0.1 / CASES * numeric, rtol=1e-4, atol=1e-9)  # rounded rate 0.1


NEURON_PARAMETERS = {
    "brelu": {"a": 0.8}, "tanh": {"a": 1.7, "b": 0.6}, "drelu": {"a": 1.3}, "linear": {"a": 1.5, "b": -0.3},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(NEURONS))
def test_neuron(kind: str) -> None:
    if kind == "nrelu":
        net, data = finish(front().neuron("n", "below", "relu"), "n")  # its noise-free part has relu's derivative
        engine = net.engine(dtype=np.float64)
        noisy = NEURONS["nrelu"][1]
        y = np.array([[-1.0, 0.0, 2.0]])
        out = np.empty_like(y)
        noisy(y, y, np.ones_like(y), out, {})
        assert out.tolist() == [[0.0, 0.0, 1.0]]
        engine.close()
        return
    net = front()
    source = "below"
    if kind == "sqrt":
        net.neuron("positive", "below", "softrelu")
        source = "positive"
    net, data = finish(net.neuron("n", source, kind, **NEURON_PARAMETERS.get(kind, {})), "n")
    compare(net, data)


def distributions(rows: int, seed: int = 2) -> np.ndarray:
    t = np.random.default_rng(seed).random((rows, CASES))
    return t / t.sum(axis=0)


def head(kind: str, inputs: list[str], net: Net, **keys) -> Net:
    return net.cost("cost", kind, inputs, 0.7, **keys)


def test_logreg_fused_with_the_softmax() -> None:
    net = front().fc("top", "below", CLASSES).classifier("top", 0.7)
    compare(net, minibatch(6, CLASSES, CASES))


def test_logreg_and_softmax_apart() -> None:
    """A second consumer of the softmax takes the fused form away."""
    net = front().fc("top", "below", CLASSES).classifier("top", 0.7).cost("more", "sum2", "probs", 0.3)
    compare(net, minibatch(6, CLASSES, CASES))


def test_logreg_on_another_device() -> None:
    net = front().fc("top", "below", CLASSES).classifier("top", 0.7)
    net.layers["logprob"]["gpu"] = 1
    compare(net, minibatch(6, CLASSES, CASES), num_gpus=2)


def test_crossent_not_over_a_softmax() -> None:
    net = front().fc("top", "below", CLASSES).neuron("n", "top", "logistic").data("t", CLASSES, 1)
    compare(head("crossent", ["t", "n"], net), [minibatch(6, 4, CASES)[0], distributions(CLASSES)])


def test_crossent2_fused_with_the_logistic() -> None:
    net = front().fc("top", "below", CLASSES).neuron("n", "top", "logistic").data("t", CLASSES, 1)
    compare(head("crossent2", ["t", "n"], net), [minibatch(6, 4, CASES)[0], distributions(CLASSES)])


def test_rflickr() -> None:
    net = front().fc("top", "below", CLASSES).neuron("n", "top", "logistic").data("t", CLASSES, 1)
    compare(head("rflickr", ["t", "n"], net), [minibatch(6, 4, CASES)[0], distributions(CLASSES)])


def test_sum2_and_its_coefficient() -> None:
    compare(head("sum2", ["below"], front()), minibatch(6, 4, CASES)[:1])


def test_gsum2_to_gates_and_values() -> None:
    net = front().fc("gate", "data", 1)
    compare(head("gsum2", ["gate", "below"], net), minibatch(6, 4, CASES)[:1])


def test_msm() -> None:
    net = front().fc("top", "below", CLASSES).data("labels", 1, 1)
    keys = {"setSize": 2, "numOut": CLASSES, "threads": 1}
    compare(head("msm", ["labels", "top"], net, **keys), minibatch(6, CLASSES, CASES))


def test_treefc_offsets_of_leaves_and_inner_nodes() -> None:
    tree = [[], [], [], [], [0, 1], [2, 3], [4, 5]]
    net = front().tree("top", "below", 4, tree, 6).classifier("top")
    net.layers["top"]["weights"][0][:, 4:] = 0.05
    compare(net, minibatch(6, CLASSES, CASES), probes=60)


def test_every_layer_type_has_its_check() -> None:
    """Types with a backward pass appear in some net above; the rest refuse one."""
    seen = {s["type"] for build in LAYERS.values() for s in build()[0].layers.values()}
    elsewhere = {"treefc", "cost.crossent", "cost.crossent2", "cost.rflickr", "cost.sum2", "cost.gsum2", "cost.msm"}
    defective = {"cost.tica", "cnorm"}  # O22 and O36: test_oddities.py checks the release's own formula
    without = {"resize", "rescale", "rscale", "rgb2yuv", "rgb2lab"}
    assert set(TYPES) <= seen | elsewhere | defective | without
