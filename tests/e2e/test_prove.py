"""`prove` on the stand-in, as its holder would type it: all well; planted faults found and named; killed and resumed; and no
line of the stand-in in what leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from alexnet_archive import paths
from alexnet_archive.archive.lines import Lines
from alexnet_archive.prove.running import WORK
from tests.conftest import find_python2
from tests.e2e.conftest import COMMAND, STANDIN, command, locked, shared_folder

pytestmark = [pytest.mark.native, pytest.mark.python2, pytest.mark.slow, pytest.mark.xdist_group("standin-native")]
QUICK = ["verify", "inventory", "layer files", "build cpu", "import", "gradients", "training", "comparison", "verify again"]


def findings(out: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((out / "proof.json").read_text())
    return {finding["step"]: finding for finding in content["findings"]}


def outcomes(out: Path) -> dict[str, str]:
    return {step: finding["outcome"] for step, finding in findings(out).items()}


def require_no_text(out: Path, source: Path) -> None:
    """No line of 20 or more characters of the acquired files occurs in the record or on the page."""
    held = [line.strip() for path in source.rglob("*") if path.is_file() for line in path.read_text().splitlines()]
    texts = [(out / name).read_text() for name in ("proof.json", "proof.html")]
    assert not [line for line in held if len(line) >= 20 and any(line in text for text in texts)]
    assert all(Lines.acquired(source).within(text) is None for text in texts)


@pytest.fixture(scope="session")
def proved(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick proof on the session's build, once for all workers; what it printed is in `said.txt`."""
    out = shared_folder(tmp_path_factory) / "proved"
    with locked(out.with_suffix(".lock")):
        if not (out / "said.txt").is_file():
            done = command("prove", "--quick", "--out", out, root=built)
            (out / "said.txt").write_text(done.stdout)
    return out


@pytest.mark.exhaustive
def test_all_is_well_on_the_stand_in(proved: Path, built: Path) -> None:
    content = json.loads((proved / "proof.json").read_text())
    assert content["passed"] and content["complete"] and content["steps"] == QUICK
    assert set(outcomes(proved).values()) == {"passed"} and "9 of 9 steps passed" in (proved / "said.txt").read_text()
    found = findings(proved)
    record = json.loads((built / "build" / "host-cpu" / "build-record.json").read_text())
    assert found["build cpu"]["figures"]["module_sha256"] == record["module"]["sha256"]
    assert content["release"]["tree"] == record["original"]["tree"] and content["release"]["status"] == "first-seen"
    assert found["gradients"]["figures"]["matrices"] == 14 and found["layer files"]["figures"]["files"] == 5
    assert found["training"]["figures"]["last_cost"] < 0.5 * found["training"]["figures"]["first_cost"]
    assert found["comparison"]["figures"]["compared"] > 100 and found["comparison"]["figures"]["case"]["devices"] == 2
    assert found["inventory"]["reason"].startswith("not the release of the record")


@pytest.mark.exhaustive
def test_nothing_of_the_stand_in_leaves(proved: Path, built: Path) -> None:
    require_no_text(proved, built / "original" / "source")
    text = (proved / "proof.json").read_text() + (proved / "proof.html").read_text()
    assert str(built) not in text and str(proved) not in text and sorted(p.name for p in proved.iterdir()) == [
        "proof.html", "proof.json", "said.txt",
    ]  # fmt: skip


@pytest.mark.exhaustive
def test_the_same_again_repeats_nothing_that_takes_time(proved: Path, built: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(proved, out)
    done = command("prove", "--quick", "--out", out, "--json", root=built)
    content, before = json.loads(done.stdout), findings(proved)
    kept = [finding["step"] for finding in content["findings"] if finding == before[finding["step"]]]
    assert content["passed"] and {"inventory", "layer files", "import", "gradients", "training", "comparison"} <= set(kept)


def altered(built: Path, root: Path) -> Path:
    """An archive root whose release has one byte altered since it was acquired."""
    shutil.copytree(built / "original", root / "original")
    victim = root / "original" / "source" / "src" / "net.cu"
    victim.chmod(0o644)
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    victim.chmod(0o444)
    return root


def test_an_altered_byte_is_found_and_named(built: Path, tmp_path: Path) -> None:
    root = altered(built, tmp_path / "altered")
    done = command("prove", "--out", tmp_path / "out", root=root, status=15)
    found = outcomes(tmp_path / "out")
    assert found.pop("verify") == "failed" and set(found.values()) == {"not tried"}
    (failure,) = findings(tmp_path / "out")["verify"]["failures"]
    assert (failure["what"], failure["file"]) == ("altered", "src/net.cu") and failure["expected"].startswith("sha256 ")
    assert "src/net.cu" in done.stdout and "0 of 12 steps passed" in done.stdout
    require_no_text(tmp_path / "out", root / "original" / "source")


def test_killed_between_steps_and_resumed(built: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        "import os, signal, sys\nfrom alexnet_archive.prove import building\n"
        "building.build_cpu = lambda site: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from alexnet_archive.cli.main import run\nrun(sys.argv[1:])\n"
    )
    environment = {**os.environ, paths.ROOT_VARIABLE: str(built), "ALEXNET_ARCHIVE_PYTHON2": find_python2() or ""}
    words = [str(COMMAND.parent / "python"), str(script), "prove", "--quick", "--out", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = findings(tmp_path / "out")
    assert list(before) == QUICK[:3] and (tmp_path / "out" / WORK).is_dir()
    said = command("prove", "--flavour", "cuda", "--toolchain", "cpu", "--out", tmp_path / "out", root=built, status=53).stdout
    after = findings(tmp_path / "out")
    assert after["layer files"] == before["layer files"] and said.count("kept from") == 2
    assert after["build cuda"]["outcome"] == "skipped" and not (tmp_path / "out" / WORK).exists()


def test_ctrl_c_says_how_to_go_on(built: Path, tmp_path: Path) -> None:
    environment = {**os.environ, paths.ROOT_VARIABLE: str(built), "ALEXNET_ARCHIVE_PYTHON2": find_python2() or ""}
    child = subprocess.Popen(
        [str(COMMAND), "prove", "--quick", "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert child.stdout is not None
    while not child.stdout.readline().startswith("passed    import"):
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130 and "run the same command again" in errors, errors
    assert list(outcomes(tmp_path))[:5] == QUICK[:5] and not (tmp_path / WORK).exists()


def test_options_that_make_no_sense(built: Path, tmp_path: Path) -> None:
    assert "--flavour cpu,cuda" in command("prove", "--arch", "sm_80", root=built, status=3).stderr
    assert "--toolchain host" in command("prove", "--toolchain", "cpu", "--python2", "x", root=built, status=3).stderr
    assert "acquire" in command("prove", root=tmp_path, status=10).stderr


def planted(second: Path, tmp_path: Path, name: str, old: str, new: str) -> Path:
    """The archive elsewhere, with a fault planted in one file of the stand-in before it was acquired."""
    tree = tmp_path / "tree"
    shutil.copytree(STANDIN, tree)
    text = (tree / name).read_text()
    assert text.count(old) == 1
    (tree / name).write_text(text.replace(old, new))
    command("acquire", "--from", tree, "--first-seen", *(["--replace"] if (second / "original").exists() else []), root=second)
    return second


@pytest.mark.exhaustive
def test_a_function_that_is_gone_is_named_with_who_needs_it(second: Path, tmp_path: Path) -> None:
    text = (STANDIN / "src" / "net.cu").read_text()
    begin = text.index("void Net::copyRows(")
    end = text.index("\n}\n", begin) + 3
    root = planted(second, tmp_path, "src/net.cu", text[begin:end], "")
    command("prove", "--quick", "--out", tmp_path / "out", root=root, status=50)
    found = findings(tmp_path / "out")
    (failure,) = found["build cpu"]["failures"]
    assert (failure["symbol"], failure["file"]) == ("Net::copyRows", "net.cu") and "nobody supplies" in failure["what"]
    assert found["gradients"]["outcome"] == "not tried" and found["verify again"]["outcome"] == "passed"
    require_no_text(tmp_path / "out", root / "original" / "source")


@pytest.mark.exhaustive
def test_a_wrong_gradient_is_found_and_its_matrices_are_named(second: Path, tmp_path: Path) -> None:
    old, new = "return grad * _b * (_a - act * act / _a);", "return -grad * _b * (_a - act * act / _a);"
    root = planted(second, tmp_path, "src/layers.cu", old, new)
    done = command("prove", "--quick", "--out", tmp_path / "out", root=root, status=60)
    found = findings(tmp_path / "out")
    wrong = {failure["symbol"] for failure in found["gradients"]["failures"]}
    # tanh stands above fc3b and the convolutions below it; fc3a and fc4 have no part in it.
    assert {"fc3b weights[0]", "conv2a weights[0]", "conv1a biases"} <= wrong
    assert not any(name.startswith(("fc3a", "fc4")) for name in wrong) and "fc3b weights[0]" in done.stdout
    assert found["comparison"]["outcome"] == "failed"
    assert found["comparison"]["figures"]["first_difference"].startswith(("weights/conv", "increments/conv"))
    assert found["verify again"]["outcome"] == "passed"
    require_no_text(tmp_path / "out", root / "original" / "source")


@pytest.mark.exhaustive
def test_a_fault_of_the_front_end_is_named_by_file_line_and_function(second: Path, tmp_path: Path) -> None:
    old = "        data = batch_data[2]\n        self.batch_numbers"
    root = planted(second, tmp_path, "convnet.py", old, old.replace("[2]\n", "[2] + nothing_of_this_name\n"))
    command("prove", "--quick", "--out", tmp_path / "out", root=root, status=42)
    (failure,) = findings(tmp_path / "out")["gradients"]["failures"]
    assert (failure["file"], failure["symbol"]) == ("convnet.py", "start_batch") and "NameError" in failure["what"]
    lines = (root / "original" / "source" / "convnet.py").read_text().splitlines()
    assert "nothing_of_this_name" in lines[failure["line"] - 1]
    require_no_text(tmp_path / "out", root / "original" / "source")


@pytest.mark.exhaustive
def test_the_long_steps_too(built: Path, proved: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    shutil.copytree(proved, out)
    command("prove", "--out", out, root=built)
    found = findings(out)
    assert found["comparison on the demonstration's net"]["outcome"] == "passed"
    skipped = {step: finding["reason"] for step, finding in found.items() if finding["outcome"] == "skipped"}
    absent = {reason.rpartition(" has no ")[2] for reason in skipped.values()}
    assert absent == {"example-layers/layers.gc.cfg", "layers/layers-120.cfg"}
    require_no_text(out, built / "original" / "source")
