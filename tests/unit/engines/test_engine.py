"""The engine as its users see it: minibatches, views, features, traces, transfers, state, errors."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from alexnet_archive.engines.base import BatchResult, Engine, Pass
from alexnet_archive.engines.reference import ReferenceEngine
from alexnet_archive.errors import EngineError, NonFiniteError
from tests.unit.engines.nets import Net, minibatch


def small(**keys: Any) -> Net:
    return Net().data("data", 6).fc("top", "data", 3, **keys).classifier("top")


def columns(**keys: Any) -> Net:
    """Two columns on two devices with dropout and a crossing, the shape of the 2012 networks."""
    net = Net(**keys).data("data", 2 * 64)
    part = {"channels": 2, "filter": 3, "padding": 1}
    for c, gpu in (("a", 0), ("b", 1)):
        net.gpu = gpu
        net.conv(f"conv1{c}", "data", [part], 16).pool(f"pool1{c}", f"conv1{c}", "max", 16, 3, 2)
        net.neuron(f"relu1{c}", f"pool1{c}", "relu").norm(f"norm1{c}", "cmrnorm", f"relu1{c}", 16, 5, 1e-3, 0.75)
    for c, gpu in (("a", 0), ("b", 1)):
        net.gpu = gpu
        net.fc(f"fc{c}", ["norm1a", "norm1b"], 20, init=0.05).add(f"hs{c}", "hs", f"fc{c}", keep=0.5, enable=True)
    net.fc("top", ["hsa", "hsb"], 3).data("labels", 1, 1).add("probs", "softmax", "top")
    return net.cost("logprob", "logreg", ["labels", "probs"], topk=2)


def test_fulfils_the_protocol() -> None:
    engine: Engine = small().engine()
    assert engine.name == "reference"
    engine.close()


class TestMinibatches:
    def test_the_remainder_is_a_smaller_last_one(self) -> None:
        seen: list[tuple[int, int, int]] = []
        result = small().engine(minibatch=4).train_batch(
            minibatch(6, 3, 10), 0.0, hook=lambda done, total, so_far: seen.append((done, total, so_far.cases))
        )  # fmt: skip
        assert seen == [(1, 3, 4), (2, 3, 8), (3, 3, 10)]
        assert (result.cases, result.minibatches, result.complete) == (10, 3, True)

    def test_costs_are_those_before_the_update(self) -> None:
        data = minibatch(6, 3, 4)
        engine = small().engine(minibatch=4)
        before = engine.test_batch(data).costs
        assert engine.train_batch(data, 0.0).costs == before
        assert engine.test_batch(data).costs != before

    def test_stopping_and_going_on_is_the_same_as_not_stopping(self) -> None:
        data = minibatch(6, 3, 10)
        whole, halves = small(), small()
        one = whole.engine(minibatch=4).train_batch(data, 0.0)
        engine = halves.engine(minibatch=4)
        first = engine.train_batch(data, 0.0, stop=lambda: True)
        assert (first.minibatches, first.complete) == (1, False)
        rest = engine.train_batch(data, 0.0, first_minibatch=1)
        assert np.array_equal(whole.layers["top"]["weights"][0], halves.layers["top"]["weights"][0])
        assert one.costs["logprob"] == pytest.approx(first.plus(rest).costs["logprob"])

    def test_stop_after_the_last_minibatch_is_no_stop(self) -> None:
        assert small().engine(minibatch=10).train_batch(minibatch(6, 3, 10), 0.0, stop=lambda: True).complete

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_either_memory_order_gives_the_same(self, order: Any) -> None:
        data = minibatch(6, 3, 10)
        net, other = small(), small()
        plain = net.engine(minibatch=4).train_batch(data, 0.0)
        assert other.engine(minibatch=4).train_batch([np.array(m, order=order) for m in data], 0.0) == plain

    def test_unequal_or_empty_data_is_refused(self) -> None:
        engine = small().engine()
        data = minibatch(6, 3, 10)
        for bad in ([data[0], data[1][:, :5]], [m[:, :0] for m in data], [data[0][:5], data[1]], data[:1]):
            with pytest.raises(EngineError):
                engine.test_batch(bad)


class TestViews:
    def test_the_log_is_of_the_mean(self) -> None:
        engine = small().engine(minibatch=3)
        views, real = 4, 5
        data = minibatch(6, 3, real)
        many = [
            np.hstack([m + (0.1 * v if i == 0 else 0) for v in range(views)]).astype(np.float32) for i, m in enumerate(data)
        ]
        probs = np.empty((real, 3), np.float32)
        result = engine.multiview_test(many, views, probs, "logprob")
        each = [engine.features([m[:, v * real : (v + 1) * real] for m in many], ["probs"])[0]["probs"] for v in range(views)]
        mean = np.mean(each, axis=0)
        np.testing.assert_allclose(probs, mean, rtol=1e-5)
        picked = mean[range(real), data[1][0].astype(int)]
        assert result.cases == real
        assert result.costs["logprob"][0] == pytest.approx(-np.log(picked).sum(), rel=1e-5)
        assert result.costs["logprob"][1] == np.sum(picked < mean.max(axis=1))

    def test_bad_requests(self) -> None:
        engine, data = small().engine(), minibatch(6, 3, 10)
        for arguments in ((3, None, None), (0, None, None), (2, np.empty((5, 3), np.float32), None)):
            with pytest.raises(EngineError):
                engine.multiview_test(data, *arguments)
        with pytest.raises(EngineError, match=r"cost\.logreg"):
            engine.multiview_test(data, 2, np.empty((5, 3), np.float32), "probs")


def test_features_are_cases_by_features() -> None:
    engine, data = small().engine(minibatch=4), minibatch(6, 3, 10)
    found, result = engine.features(data, ["data", "probs"])
    assert found["probs"].shape == (10, 3) and result.cases == 10
    np.testing.assert_array_equal(found["data"], data[0].T)
    np.testing.assert_allclose(found["probs"].sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(EngineError, match="no such layers"):
        engine.features(data, ["nothing"])


def test_trace_names_everything_once() -> None:
    net = columns()
    arrays = net.engine(num_gpus=2).trace(minibatch(128, 3, 6)).arrays
    assert set(net.layers) == {name.split("/")[1] for name in arrays if name.startswith("activation/")}
    weighted = [name for name, layer in net.layers.items() if "weights" in layer]
    for name in weighted:
        for i, w in enumerate(net.layers[name]["weights"]):
            assert np.array_equal(arrays[f"weights/{name}/{i}/after"], w)
            step = arrays[f"weights/{name}/{i}/before"] + arrays[f"increments/{name}/{i}/after"]
            np.testing.assert_allclose(step, w, rtol=1e-6)
        for key in ("biases", "bias_increments"):
            assert f"{key}/{name}/before" in arrays and f"{key}/{name}/after" in arrays
        assert f"gradient/{name}" in arrays
    assert len(arrays["cost/logprob"]) == 3
    assert arrays["activation/norm1a"].min() >= 0  # read before the backward pass overwrites it


class TestTransfers:
    def test_one_copy_per_device_and_direction(self) -> None:
        engine = columns().engine(num_gpus=2)
        engine.train_batch(minibatch(128, 3, 6), 0.0)
        found = {(t.layer, t.direction, t.source, t.target): t.bytes for t in engine.transfers}
        assert len(found) == len(engine.transfers)
        norm, drop = 16 * 16 * 6 * 4, 20 * 6 * 4
        assert found == {
            ("data", "forward", -1, 0): 128 * 6 * 4, ("data", "forward", -1, 1): 128 * 6 * 4,
            ("labels", "forward", -1, 1): 6 * 4,
            ("norm1a", "forward", 0, 1): norm, ("norm1b", "forward", 1, 0): norm, ("hsa", "forward", 0, 1): drop,
            ("norm1a", "backward", 1, 0): norm, ("norm1b", "backward", 0, 1): norm, ("hsa", "backward", 1, 0): drop,
        }  # fmt: skip

    def test_a_layer_on_a_device_that_is_not_there(self) -> None:
        with pytest.raises(EngineError, match="gpu"):
            columns().engine(num_gpus=1)

    def test_placement_changes_no_number(self) -> None:
        """Without dropout (each device has its own stream) one device and two give the same bits."""
        nets = [columns(), columns()]
        for net in nets:
            for layer in net.layers.values():
                layer["enable"] = False
        for layer in nets[1].layers.values():
            layer["gpu"] = min(layer["gpu"], 0)
        results = [net.engine(num_gpus=2).train_batch(minibatch(128, 3, 6), 0.0) for net in nets]
        assert results[0] == results[1]
        for name in ("conv1a", "fcb", "top"):
            np.testing.assert_allclose(nets[0].layers[name]["weights"][0], nets[1].layers[name]["weights"][0], rtol=1e-5)


class TestDeterminism:
    @pytest.mark.parametrize("workers", [2, 3, 5])
    def test_any_number_of_workers_gives_the_same_bits(self, workers: int) -> None:
        nets = [columns(), columns()]
        results = []
        for net, count in zip(nets, (1, workers)):
            engine = net.engine(num_gpus=2, workers=count, minibatch=16, seed=5)
            results.append(engine.train_batch(minibatch(128, 3, 40), 0.0))
            engine.close()
        assert results[0] == results[1]
        for name, layer in nets[0].layers.items():
            for key in ("weights", "weightsInc"):
                for one, other in zip(layer.get(key, []), nets[1].layers[name].get(key, [])):
                    assert np.array_equal(one, other), name

    def test_stale_buffers_never_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Buffers come filled with NaN: whatever is read before it is written would spread."""
        from alexnet_archive.engines.reference.parallel import Pool, Workers

        take, scratch = Pool.take, Workers.scratch

        def poisoned(function: Any) -> Any:
            def inner(*arguments: Any) -> Any:
                found = function(*arguments)
                found.fill(np.nan)
                return found

            return inner

        data = minibatch(128, 3, 6)
        clean, dirty = columns(), columns()
        expected = clean.engine(num_gpus=2, seed=1).train_batch(data, 0.0)
        monkeypatch.setattr(Pool, "take", poisoned(take))
        monkeypatch.setattr(Workers, "scratch", poisoned(scratch))
        assert dirty.engine(num_gpus=2, seed=1).train_batch(data, 0.0) == expected
        assert np.array_equal(clean.layers["conv1a"]["weights"][0], dirty.layers["conv1a"]["weights"][0])

    def test_state_resumes_bit_for_bit(self) -> None:
        """Dropout streams, noisy rates and the phase of gathered updates survive a round trip through JSON."""
        noisy = {"type": "linear", "params": {"tgtFactor": 2.0, "noiseStdev": 0.3}}
        straight, resumed = columns(), columns()
        for net in (straight, resumed):
            for layer in net.layers.values():
                if "weights" in layer:
                    layer["schedW"], layer["epsW"], layer["epsB"] = noisy, [0.01] * len(layer["epsW"]), 0.01
        options: dict[str, Any] = {"num_gpus": 2, "minibatch": 8, "seed": 17}
        data = minibatch(128, 3, 24)
        engine = straight.engine(**options)
        engine.train_batch(data, 0.1)
        engine.train_batch(data, 0.2)
        first = resumed.engine(**options)
        first.train_batch(data, 0.1)
        first.sync()
        state = json.loads(json.dumps(first.state()))
        first.close()
        second = resumed.engine(**{**options, "seed": 0})
        second.set_state(state)
        second.train_batch(data, 0.2)
        for name, layer in straight.layers.items():
            for one, other in zip(layer.get("weights", []), resumed.layers[name].get("weights", [])):
                assert np.array_equal(one, other), name

    @pytest.mark.parametrize("rounds", [1, 2])
    def test_gathered_updates_resume_in_the_middle(self, rounds: int) -> None:
        """U=2, three minibatches a batch: half-gathered sums and the phase survive, in momentum and in gradients."""
        straight, resumed = columns(), columns()
        for net in (straight, resumed):
            for layer in net.layers.values():
                if "weights" in layer:
                    layer["epsW"], layer["epsB"] = [0.01] * len(layer["epsW"]), 0.01
        data = minibatch(128, 3, 24)
        options: dict[str, Any] = {"num_gpus": 2, "minibatch": 8, "update_frequency": 2}
        engine, first, second = straight.engine(**options), resumed.engine(**options), resumed.engine(**options)
        for _ in range(rounds + 1):
            engine.train_batch(data, 0.0)
        for _ in range(rounds):
            first.train_batch(data, 0.0)
        second.set_state(json.loads(json.dumps(first.state())))
        second.train_batch(data, 0.0)
        for name, layer in straight.layers.items():
            for key in ("weights", "weightsInc"):
                for one, other in zip(layer.get(key, []), resumed.layers[name].get(key, [])):
                    assert np.array_equal(one, other), name

    @pytest.mark.parametrize("changed", [False, True])
    def test_taking_parameters_anew_is_stopping_and_resuming(self, changed: bool) -> None:
        """Between batches, where half an interval is gathered: the same bits as another engine that goes on from its state."""
        straight, resumed = columns(), columns()
        for net in (straight, resumed):
            for layer in net.layers.values():
                if "weights" in layer:
                    layer["epsW"], layer["epsB"] = [0.01] * len(layer["epsW"]), 0.01
        options: dict[str, Any] = {"num_gpus": 2, "minibatch": 8, "update_frequency": 2, "seed": 3}
        data = minibatch(128, 3, 24)
        engine, first = straight.engine(**options), resumed.engine(**options)
        for one in (engine, first):
            one.train_batch(data, 0.0)
        first.sync()
        state = first.state()
        if changed:
            for net in (straight, resumed):
                net.layers["conv1a"].update(epsW=[0.0], epsB=0.0, gradConsumer=False)
        before = straight.layers["conv1a"]["weights"][0].copy()
        engine.reload()
        second = resumed.engine(**{**options, "seed": 0})
        second.set_state(state)
        for one in (engine, second):
            one.train_batch(data, 0.0)
            one.sync()
        assert np.array_equal(straight.layers["conv1a"]["weights"][0], before) == changed
        for name, layer in straight.layers.items():
            for key in ("weights", "weightsInc"):
                for mine, other in zip(layer.get(key, []), resumed.layers[name].get(key, [])):
                    assert np.array_equal(mine, other), name


class TestArrays:
    def test_weights_are_trained_where_they_lie(self) -> None:
        net = small()
        held = net.layers["top"]["weights"][0]
        before = held.copy()
        net.engine().train_batch(minibatch(6, 3, 4), 0.0)
        assert not np.array_equal(held, before)

    @pytest.mark.parametrize("way", ["strided", "read-only", "double"])
    def test_other_arrays_are_copied_and_synced(self, way: str) -> None:
        net, plain = small(), small()
        w = net.layers["top"]["weights"][0]
        dtype: Any = np.float64 if way == "double" else np.float32
        if way == "strided":
            wide = np.zeros((12, 6), np.float32)
            wide[::2, ::2] = w
            net.layers["top"]["weights"][0] = wide[::2, ::2]
        elif way == "read-only":
            w.flags.writeable = False
        engine = net.engine(dtype=dtype)
        data = minibatch(6, 3, 4)
        engine.train_batch(data, 0.0)
        plain.engine().train_batch(data, 0.0)
        if way == "read-only":
            w.flags.writeable = True
        engine.sync()
        np.testing.assert_allclose(net.layers["top"]["weights"][0], plain.layers["top"]["weights"][0], rtol=1e-5)


class TestNonFinite:
    def test_names_the_minibatch_and_the_first_layer(self) -> None:
        net = Net().data("data", 6).fc("first", "data", 4).neuron("n", "first", "relu").fc("top", "n", 3)
        net.classifier("top")
        engine = net.engine(minibatch=4)
        data = minibatch(6, 3, 12)
        data[0] *= 1
        net.layers["first"]["weights"][0][0, 0] = np.inf
        before = net.layers["top"]["weights"][0].copy()
        with pytest.raises(NonFiniteError, match=r"minibatch 1: .*layer first is the first") as caught:
            engine.train_batch(data, 0.0)
        assert caught.value.remedy is not None and "epsW" in caught.value.remedy
        assert np.array_equal(net.layers["top"]["weights"][0], before)

    def test_in_the_data(self) -> None:
        data = minibatch(6, 3, 12)
        data[0][2, 9] = np.nan
        with pytest.raises(NonFiniteError, match=r"minibatch 3: .*layer data is the first"):
            small().engine(minibatch=4).train_batch(data, 0.0)

    def test_probability_zero(self) -> None:
        net = small()
        net.layers["top"]["biases"][0, 0] = 1e4
        data = minibatch(6, 3, 12)
        with pytest.raises(NonFiniteError, match="logprob is the first") as caught:
            net.engine().train_batch(data, 0.0)
        assert "probability has reached zero" in str(caught.value.remedy)


class TestRefusals:
    def test_unknown_words(self) -> None:
        net = small()
        net.layers["top"]["type"] = "dummy"
        with pytest.raises(EngineError, match="no such layer type"):
            net.engine()
        with pytest.raises(EngineError, match="neuron"):
            Net().data("data", 3).neuron("n", "data", "abstanh").cost("c", "sum2", "n").engine()
        with pytest.raises(EngineError, match="pool"):
            Net().data("data", 9).pool("p", "data", "median", 1, 3, 3).cost("c", "sum2", "p").engine()
        with pytest.raises(EngineError, match="schedule"):
            small(schedW={"type": "const", "params": {}}).engine()

    def test_cycles_and_missing_inputs(self) -> None:
        net = Net().data("data", 3).fc("a", "data", 3).fc("b", "a", 3).cost("c", "sum2", "b").cost("d", "sum2", "data")
        net.layers["a"]["inputs"] = ["b"]
        with pytest.raises(EngineError, match="cycle"):
            net.engine()
        net.layers["a"]["inputs"] = ["gone"]
        with pytest.raises(EngineError, match="does not exist"):
            net.engine()

    def test_layers_without_a_backward_pass(self) -> None:
        net = Net().data("data", 3).fc("below", "data", 12).add("yuv", "rgb2yuv", "below").cost("c", "sum2", "yuv")
        with pytest.raises(EngineError, match="no backward pass"):
            net.engine().train_batch([np.ones((3, 2), np.float32)], 0.0)

    @pytest.mark.parametrize("options", [{"minibatch": 0}, {"update_frequency": 0}])
    def test_sizes_below_one(self, options: dict[str, int]) -> None:
        with pytest.raises(EngineError, match="at least 1"):
            small().engine(**options)

    def test_tree_with_wrong_leaves(self) -> None:
        with pytest.raises(EngineError, match="leaves"):
            Net().data("data", 3).tree("t", "data", 3, [[], [], [], [0, 1]], 3).classifier("t").engine()
        with pytest.raises(EngineError, match="twice"):
            Net().data("data", 3).tree("t", "data", 2, [[], [], [0, 1], [2, 0]], 3).classifier("t").engine()


def test_everything_stays_single_precision() -> None:
    net = columns()
    trace = net.engine(num_gpus=2).trace(minibatch(128, 3, 6))
    wrong = [name for name, array in trace.arrays.items() if array.dtype != np.float32 and not name.startswith("cost/")]
    assert not wrong


def test_gradient_check_of_a_convolution_passes() -> None:
    net = Net().data("data", 2 * 25).conv("c", "data", [{"channels": 2, "filter": 3}], 2, init=0.1)
    net.neuron("n", "c", "tanh", a=1.0, b=1.0).fc("top", "n", 3, init=0.1).classifier("top")
    report = net.engine(minibatch=20).gradient_check(minibatch(50, 3, 20))
    assert [check.matrix for check in report.checks][:2] == ["c weights[0]", "c biases"]
    assert not report.failed
    assert all(math.isfinite(check.error) for check in report.checks)


def test_training_learns() -> None:
    """A separable problem: the error falls to nothing."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (1, 300)).astype(np.float32)
    data = rng.standard_normal((128, 300)).astype(np.float32)
    data[:64] += (labels - 1) * 1.5
    net = columns()
    for layer in net.layers.values():
        if "weights" in layer:
            layer["epsW"], layer["epsB"] = [0.02] * len(layer["epsW"]), 0.02
    engine = net.engine(num_gpus=2, minibatch=32)
    first = engine.test_batch([data, labels]).means()["logprob"]
    for _ in range(6):
        engine.train_batch([data, labels], 0.0)
    last = engine.test_batch([data, labels]).means()["logprob"]
    assert last[0] < first[0] / 3 and last[1] < 0.1


def test_results_add_up() -> None:
    one, other = BatchResult({"c": (1.0, 2.0)}, 4, 1), BatchResult({"c": (3.0, 4.0)}, 6, 1)
    assert one.plus(other).means() == {"c": (0.4, 0.6)}
    assert not Pass.TEST.has(Pass.MULTIVIEW_TEST) and Pass.MULTIVIEW_TEST_END.has(Pass.MULTIVIEW_TEST)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_two_column_120_crosses_as_the_worked_example_lists() -> None:
    """layer-language section 9: the crossings of a minibatch, here for two cases, and back where a gradient is wanted."""
    from alexnet_archive.layerdefs import find_definition, find_parameters, net_facts, read_network

    facts, definition = net_facts("two-column-120"), find_definition("two-column-120")
    assert facts is not None
    network = read_network(definition, find_parameters(definition), facts.shape(), num_gpus=2)
    engine = ReferenceEngine(network.to_dicts(np.random.RandomState(0)), num_gpus=2, minibatch=2, workers=1)
    engine.train_batch(minibatch(3 * 224 * 224, 1000, 2), 0.0)
    per_case = {
        ("data", -1, 0): 77_070_336, ("data", -1, 1): 77_070_336, ("labels", -1, 1): 512, ("nails0", 0, 1): 4_816_896,
        ("pool2b", 1, 0): 11_075_584, ("pool2a", 0, 1): 11_075_584, ("pool3b_neuron", 1, 0): 2_359_296,
        ("pool3a_neuron", 0, 1): 2_359_296, ("hs1b", 1, 0): 1_048_576, ("hs1a", 0, 1): 1_048_576,
        ("hs2a", 0, 1): 1_048_576,
    }  # fmt: skip
    forward = {(t.layer, t.source, t.target): t.bytes * 64 for t in engine.transfers if t.direction == "forward"}
    backward = {(t.layer, t.target, t.source): t.bytes * 64 for t in engine.transfers if t.direction == "backward"}
    assert forward == per_case
    trained = {key: size for key, size in per_case.items() if key[0] not in ("data", "labels", "nails0")}
    assert backward == trained


def test_buffers_are_reused_from_batch_to_batch() -> None:
    """O32: after the first batch no new memory is asked for, short last minibatch included."""
    net = columns()
    for layer in net.layers.values():
        layer["epsW"] = [1e-3] * len(layer.get("epsW", []))
    engine = net.engine(num_gpus=2, minibatch=8)
    data = minibatch(128, 3, 20)
    held = []
    for _ in range(4):
        engine.train_batch(data, 0.0)
        engine.test_batch(data)
        pool = engine._context.pool
        assert not pool._lent
        held.append(sum(block.nbytes for block in pool._free))
    assert held[1] == held[2] == held[3]
