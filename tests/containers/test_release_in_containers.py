"""The stand-in built in every toolchain under test, and trained in a container: the same as on the host."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet_archive import checkpoints, paths
from alexnet_archive.engines import native
from alexnet_archive.toolchains import locks
from alexnet_archive.toolchains import table as tables
from alexnet_archive.toolchains.container import OWNER_LABEL, Engine
from alexnet_archive.toolchains.images import BuiltImage
from tests.conftest import find_python2
from tests.e2e.conftest import STANDIN, command
from tests.e2e.conftest import data as data

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(1800)]
# Two compilers, two BLAS libraries, float32 sums in another order: twelve minibatches apart, not bit for bit.
RELATIVE = 2e-3


@pytest.fixture(scope="session")
def acquired(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """An archive root with the stand-in; commands of this process and of children use the engine of these tests."""
    os.environ["DOCKER_HOST"] = engine.address
    root = tmp_path_factory.mktemp("container-archive")
    command("acquire", "--from", STANDIN, "--first-seen", root=root)
    return root


def build(root: Path, toolchain: str, flavour: str, *more: str) -> dict[str, object]:
    done = command("build", "--toolchain", toolchain, "--flavour", flavour, *more, "--json", root=root)
    record: dict[str, object] = json.loads(done.stdout)
    return record


def test_the_standin_is_built_and_imported(
    engine: Engine, image: Callable[[str], BuiltImage], toolchain: str, acquired: Path
) -> None:
    row = tables.load().row(toolchain)
    made = image(toolchain)
    before = sorted((path, path.stat().st_mtime_ns) for path in (acquired / "original" / "source").rglob("*"))
    for flavour in row.flavours:
        # One old and one new architecture in the same module, as one image covers them.
        arch = ["--arch", f"sm_{row.sm[0]},sm_{row.sm[-1]}"] if flavour == "cuda" else []
        record = build(acquired, toolchain, flavour, *arch)
        assert record["result"] == "built"
        assert record["patches"] == []
        assert {"initModel", "startBatch"} <= set(record["functions"])  # type: ignore[call-overload]
        identity = record["image"]
        assert isinstance(identity, dict)
        assert (identity["image"], identity["lock"]) == (made.facts.id, locks.load(toolchain).digest)
        assert build(acquired, toolchain, flavour, *arch)["fresh"] is False
    assert sorted((path, path.stat().st_mtime_ns) for path in (acquired / "original" / "source").rglob("*")) == before
    mine = {c.id for c in engine.client.containers.list(all=True, filters={"label": OWNER_LABEL})}
    assert not mine


def test_training_in_the_container_equals_training_on_the_host(
    image: Callable[[str], BuiltImage], acquired: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_python2() is None:
        reason = "the comparison needs Python 2.7 with NumPy on the host"
        if "python2" in os.environ.get("ALEXNET_ARCHIVE_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    image("cpu")
    build(acquired, "cpu", "cpu")
    build(acquired, "host", "cpu")
    net = tmp_path / "net.cfg"
    net.write_text((acquired / "original/source/layers/two-column.cfg").read_text().replace("outputs=10", "outputs=4"))
    runs = {}
    for toolchain in ("host", "cpu"):
        arguments = [
            "train", "--engine", "native", *(() if toolchain == "host" else ("--toolchain", toolchain)), "--layers", net,
            "--params", acquired / "original/source/layers/layer-params-two-column.cfg", "--data", data, "--crop-border", "4",
            "--epochs", "1", "--test-freq", "6", "--save", tmp_path / toolchain, "--minibatch", "20", "--seed", "7",
        ]  # fmt: skip
        command(*arguments, root=acquired)
        (run,) = [path for path in (tmp_path / toolchain).iterdir() if path.is_dir()]
        runs[toolchain] = checkpoints.load(run)
    host, container = runs["host"], runs["cpu"]
    assert len(host.train_outputs) == len(container.train_outputs) >= 6
    learned = 0
    for name, layer in host.layers.items():
        for mine, theirs in zip(layer.get("weights", []), container.layers[name].get("weights", [])):
            scale = float(np.abs(mine).max())
            assert np.isfinite(theirs).all()
            assert float(np.abs(mine - theirs).max()) <= RELATIVE * scale, name
            learned += 1
    assert learned >= 4
    monkeypatch.setenv(paths.ROOT_VARIABLE, str(acquired))
    tested = []
    for toolchain in (None, "cpu"):
        from alexnet_archive.runs import open_installation

        (run,) = [path for path in (tmp_path / "cpu").iterdir() if path.is_dir()]
        work = tmp_path / f"work-{toolchain}"
        work.mkdir()
        installation = open_installation(toolchain, read=[data], write=[tmp_path])
        tested.append(native.total(native.test(installation, run, workdir=work)).means()["logprob"])
    np.testing.assert_allclose(tested[0], tested[1], rtol=RELATIVE)


def test_a_variant_is_built_and_compared_in_the_container(
    image: Callable[[str], BuiltImage], acquired: Path, tmp_path: Path
) -> None:
    pytest.importorskip("unidiff", reason="reading patches needs unidiff (extra `build`)")
    image("cpu")
    # Patches are applied out here; what is changed is compiled, imported and run in there.
    text = (STANDIN / "src" / "layers.cu").read_text()
    new = text.replace("return x < 0 ? 0 : x;", "return x < 0 ? 0 : 1.01f * x;")
    diff = difflib.unified_diff(text.splitlines(True), new.splitlines(True), "a/src/layers.cu", "b/src/layers.cu")
    patch = tmp_path / "steeper.patch"
    patch.write_text("".join(diff))
    record = build(acquired, "cpu", "cpu", "--variant", "steeper", "--patch", str(patch))
    told = record["variant"]
    assert isinstance(told, dict) and "layers.cu" not in told["reused"] and "kernels.cu" in told["reused"]
    assert isinstance(record["image"], dict)
    done = command(
        "diff", "behaviour", "native:cpu:cpu", "native:cpu:cpu:variant=steeper", "--layers", "small.cfg", "--params",
        "layer-params-small.cfg", "--minibatch", "16", "--updates", "1", root=acquired, status=60,
    )  # fmt: skip
    assert "part ways at activation/conv1_neuron" in done.stderr
    command("build", "--toolchain", "cpu", "--remove", "steeper", root=acquired)
    command("verify", root=acquired)


def test_a_proof_in_the_container(image: Callable[[str], BuiltImage], acquired: Path, tmp_path: Path) -> None:
    image("cpu")
    command("prove", "--quick", "--toolchain", "cpu", "--out", tmp_path / "out", root=acquired)
    content = json.loads((tmp_path / "out" / "proof.json").read_text())
    outcomes = {finding["step"]: finding["outcome"] for finding in content["findings"]}
    assert content["passed"] and set(outcomes.values()) == {"passed"}
    assert {"gradients", "training", "comparison"} <= set(outcomes)
    built = next(finding for finding in content["findings"] if finding["step"] == "build cpu")["figures"]
    assert built["toolchain"] == "cpu" and built["python2"].startswith("2.7")
