"""A proof goes on whatever a step does, keeps what was found, repeats nothing it need not, and holds no line of the release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet_archive.archive.lines import Lines
from alexnet_archive.errors import ArchiveError, BuildError, MissingToolError, NativeEngineError, ToolchainError, UserInputError
from alexnet_archive.prove import Failure, Finding, Options, Proof, prove, record, running
from alexnet_archive.prove.reducing import WITHHELD
from alexnet_archive.prove.site import Found, Site, Step

SECRET = "self.value = release_text(of, a, line)"
Acquire = Callable[[dict[str, str]], Path]


@pytest.fixture(autouse=True)
def original(acquire: Acquire) -> Path:
    return acquire({"secret.py": f"if True:\n    {SECRET}\n"})


class Course:
    """Steps whose outcome a test chooses, and the order in which they were tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.does: dict[str, Callable[[Site], Found]] = {}
        self.steps = (
            Step("first", "the first is well", self.run("first")),
            Step("second", "the second is well", self.run("second"), ("first",)),
            Step("third", "the third is well", self.run("third"), ("second",)),
            Step("long", "the long one is well", self.run("long"), ("first",), long=True),
            Step("last", "the last is well", self.run("last"), always=True),
        )

    def run(self, name: str) -> Callable[[Site], Found]:
        def step(site: Site) -> Found:
            self.tried.append(name)
            assert site.work.is_dir() and not list(site.work.iterdir())
            (site.work / "left behind").write_text(SECRET)
            return self.does.get(name, lambda site: Found({"of": name}))(site)

        return step

    def prove(self, out: Path, **more: object) -> Proof:
        self.tried.clear()
        options = more.pop("options", Options())
        return prove(options, out, steps=self.steps, **more)  # type: ignore[arg-type]


def raises(error: BaseException) -> Callable[[Site], Found]:
    def step(site: Site) -> Found:
        raise error

    return step


def outcomes(proof: Proof) -> dict[str, str]:
    return {finding.step: finding.outcome for finding in proof.findings}


@pytest.fixture
def course() -> Course:
    return Course()


def test_all_well(course: Course, tmp_path: Path) -> None:
    proof = course.prove(tmp_path / "out")
    assert proof.passed and proof.complete and proof.exit_code == 0 and set(outcomes(proof).values()) == {"passed"}
    content = json.loads((tmp_path / "out" / "proof.json").read_text())
    assert content == json.loads(json.dumps(proof.content())) and content["passed"] and content["format"] == record.FORMAT
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["proof.html", "proof.json"]
    assert "All that was asked for is well" in (tmp_path / "out" / "proof.html").read_text()
    assert len(content["release"]["tree"]) == 40 and content["machine"]["processors"] >= 1


def test_a_step_that_fails_stops_nothing_but_what_needs_it(course: Course, tmp_path: Path) -> None:
    course.does["second"] = raises(BuildError("it does not build", [
        {"kind": "error", "file": "original/src/net.cu", "line": 7, "symbol": "step", "message": "'step' was not declared",
         "section": "2.1"}]))  # fmt: skip
    proof = course.prove(tmp_path)
    assert outcomes(proof) == {
        "first": "passed", "second": "failed", "third": "not tried", "long": "passed", "last": "passed",
    }  # fmt: skip
    second, third = proof.findings[1], proof.findings[2]
    wanted = Failure("a name that nothing declares", "src/net.cu", 7, "step", spec="companion-native 2.1")
    assert second.failures == (wanted,) and third.reason == "second has not passed"
    assert not proof.passed and proof.complete and proof.exit_code == BuildError.exit_code
    page = (tmp_path / "proof.html").read_text()
    assert "Not all is well" in page and "a name that nothing declares" in page and "src/net.cu" in page


def test_what_this_machine_lacks_is_skipped_and_not_well(course: Course, tmp_path: Path) -> None:
    course.does["second"] = raises(MissingToolError("nvcc does not run", remedy="install CUDA"))
    proof = course.prove(tmp_path)
    assert outcomes(proof)["second"] == "skipped" and proof.findings[1].reason == "nvcc does not run; install CUDA"
    assert outcomes(proof)["third"] == "not tried" and proof.exit_code == MissingToolError.exit_code and not proof.passed
    course.does.clear()
    assert course.prove(tmp_path).passed and course.tried == ["second", "third", "last"]  # the machine has it now


def test_what_does_not_apply_is_skipped_and_well(course: Course, tmp_path: Path) -> None:
    course.does["third"] = lambda site: Found(skipped="the release has no such file")
    proof = course.prove(tmp_path)
    assert outcomes(proof)["third"] == "skipped" and proof.passed and proof.exit_code == 0


def test_of_many_failures_the_first_are_listed_and_all_are_counted(course: Course, tmp_path: Path) -> None:
    many = tuple(Failure("wrong", symbol=f"fc{number}") for number in range(70))
    course.does["second"] = lambda site: Found(failures=many, exit_code=60)
    second = course.prove(tmp_path).findings[1]
    assert second.reason == "wrong: fc0, the first of 70" and second.failures == many[:50]


def test_an_unforeseen_error_is_a_finding(course: Course, tmp_path: Path) -> None:
    course.does["second"] = raises(ZeroDivisionError(SECRET))
    proof = course.prove(tmp_path)
    assert proof.findings[1].reason == "unforeseen: ZeroDivisionError: _outcome" and proof.exit_code == ArchiveError.exit_code
    assert proof.findings[1].failures[0].file == "prove/running.py" and proof.findings[1].failures[0].line
    assert outcomes(proof)["last"] == "passed"


def test_finished_steps_are_not_repeated_unless_asked(course: Course, tmp_path: Path) -> None:
    course.does["third"] = lambda site: Found(failures=(Failure("wrong", symbol="fc1"),), exit_code=60)
    kept: list[tuple[str, bool]] = []
    before = course.prove(tmp_path)
    after = course.prove(tmp_path, tell=lambda finding, old: kept.append((finding.step, old)))
    assert course.tried == ["last"] and after.findings[:4] == before.findings[:4] and not after.passed
    assert dict(kept) == {"first": True, "second": True, "third": True, "long": True, "last": False}
    course.prove(tmp_path, again=True)
    assert course.tried == [step.name for step in course.steps]
    course.prove(tmp_path / "elsewhere")
    assert course.tried == [step.name for step in course.steps]


@pytest.mark.parametrize("changed", ["release", "versions", "options"])
def test_another_release_version_or_option_repeats(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    course.prove(tmp_path)
    if changed == "release":
        facts = running.release_facts()
        monkeypatch.setattr(running, "release_facts", lambda: {**facts, "tree": "0" * 40})
    elif changed == "versions":
        monkeypatch.setattr(running, "versions", lambda: {"harness": "another"})
    else:
        course.steps = tuple(replace(s, options={"toolchain": "cpu"}) if s.name == "third" else s for s in course.steps)
    course.prove(tmp_path)
    assert course.tried == (["third", "last"] if changed == "options" else ["first", "second", "third", "long", "last"])


def test_killed_in_a_step_and_resumed(course: Course, tmp_path: Path) -> None:
    course.does["third"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        course.prove(tmp_path)
    content = json.loads((tmp_path / "proof.json").read_text())
    assert [finding["step"] for finding in content["findings"]] == ["first", "second"]
    assert not content["complete"] and not content["passed"] and "Not at its end yet" in (tmp_path / "proof.html").read_text()
    assert not (tmp_path / running.WORK).exists()
    (tmp_path / running.WORK).mkdir()  # as kill -9 leaves it
    (tmp_path / running.WORK / "half").write_text("")
    course.does.clear()
    assert course.prove(tmp_path).passed and course.tried == ["third", "long", "last"]
    (tmp_path / "work").mkdir()  # somebody else's
    assert course.prove(tmp_path, again=True).passed and (tmp_path / "work").is_dir()


def test_what_was_found_behind_the_place_of_a_kill_is_kept(course: Course, tmp_path: Path) -> None:
    course.prove(tmp_path)
    course.steps = (replace(course.steps[0], options={"new": 1}), *course.steps[1:])
    course.does["first"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        course.prove(tmp_path)
    course.does.clear()
    course.prove(tmp_path)
    assert course.tried == ["first", "last"]


def test_a_quick_proof_leaves_long_steps_out_and_loses_none(course: Course, tmp_path: Path) -> None:
    quick = course.prove(tmp_path, options=Options(quick=True))
    assert quick.steps == ("first", "second", "third", "last") and quick.passed
    assert course.prove(tmp_path).passed and course.tried == ["long", "last"]
    again = course.prove(tmp_path, options=Options(quick=True))
    assert "long" in again.steps and course.tried == ["last"]


def test_no_line_of_the_release_is_in_what_leaves(course: Course, tmp_path: Path, original: Path) -> None:
    assert Lines.acquired().within(SECRET) == SECRET
    figures = {"said": f"xx {SECRET} xx", SECRET: 1, "deep": [{"more": SECRET}], "short": "if True:"}
    course.does["second"] = lambda site: Found(figures)
    course.does["third"] = raises(NativeEngineError(
        f"convnet.py ended with status 1; its last words:\n"
        f'  File "{original}/secret.py", line 2, in __init__\n    {SECRET}\nNameError: {SECRET}'))  # fmt: skip
    course.does["long"] = raises(BuildError(SECRET, found=SECRET, path=original / "secret.py"))
    proof = course.prove(tmp_path)
    for name in ("proof.json", "proof.html"):
        text = (tmp_path / name).read_text()
        assert Lines.acquired().within(text) is None and "release_text" not in text
    second, third, long = proof.findings[1:4]
    assert second.figures["said"] == WITHHELD and second.figures["short"] == "if True:"
    assert (third.failures[0].file, third.failures[0].line, third.failures[0].symbol) == ("secret.py", 2, "__init__")
    assert third.reason == "convnet.py ended with status 1, NameError: __init__" and long.reason == WITHHELD


def test_no_folder_of_this_machine_is_in_what_leaves(course: Course, tmp_path: Path, original: Path) -> None:
    course.does["second"] = raises(UserInputError(f"{tmp_path}/x/net.cfg is no file", path=tmp_path / "x" / "net.cfg"))
    proof = course.prove(tmp_path / "out")
    text = (tmp_path / "out" / "proof.json").read_text()
    assert proof.findings[1].reason == "net.cfg is no file: net.cfg"
    assert str(tmp_path) not in text and str(Path.home()) + "/" not in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "another"}', '{"format": "alexnet-archive proof", "schema": 0}',
                                  '{"format": "alexnet-archive proof", "schema": 1, "findings": [{}]}'])  # fmt: skip
def test_a_folder_with_something_else_is_refused(course: Course, tmp_path: Path, text: str) -> None:
    (tmp_path / "proof.json").write_text(text)
    with pytest.raises(UserInputError, match=r"proof\.json"):
        course.prove(tmp_path)
    assert (tmp_path / "proof.json").read_text() == text and course.tried == []


def test_what_does_not_exist_is_refused_before_any_step(course: Course, tmp_path: Path) -> None:
    for options in (Options(flavours=()), Options(flavours=("cpu", "gpu")), Options(toolchain="auto")):
        with pytest.raises(UserInputError):
            course.prove(tmp_path, options=options)
    with pytest.raises(ToolchainError):
        course.prove(tmp_path, options=Options(toolchain="cuda-1.0"))
    assert course.tried == [] and not (tmp_path / "proof.json").exists()


def test_a_finding_comes_back_as_it_was_kept() -> None:
    one = Finding("s", "p", "failed", "r", 60, {"a": 1}, (Failure("w", "f", 3),), 1.5, "2026-01-01T00:00:00+00:00", "k")
    proof = Proof({"tree": "0" * 40}, {}, {}, {}, ("s", "t"), (one,))
    assert not proof.complete and not proof.passed and proof.exit_code == 60
    assert record._finding(json.loads(json.dumps(proof.content()))["findings"][0]) == one
