"""What compilers, linkers and Python say becomes file, line, symbol and words of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_archive import paths
from alexnet_archive.assembly import messages
from alexnet_archive.errors import BuildError, LayerFileError, NativeEngineError, Problem
from alexnet_archive.prove.reducing import failures_of, tidy


def built(*lines: str) -> BuildError:
    return BuildError("could not compile", [item.facts() for item in messages.parse(lines)])


@pytest.mark.parametrize(("line", "what", "file", "number", "symbol"), [
    ("original/src/a.cu:12:3: error: ‘class NVMatrix’ has no member named ‘frobnicate’", "a member that its class has not",
     "src/a.cu", 12, "frobnicate"),
    ("original/src/a.cu:12:3: error: ‘void ns::go(int, const char*)’ was not declared in this scope",
     "a name that nothing declares", "src/a.cu", 12, "ns::go"),
    ("original/src/a.cu:1:10: fatal error: secret_header.cuh: No such file or directory", "a file that is not there",
     "src/a.cu", 1, None),
    ("original/src/a.cu:9:1: error: expected ‘;’ before ‘}’ token", "a text that is no C++", "src/a.cu", 9, None),
    ("original/src/a.cu:9:1: error: something new", "an error of the compiler", "src/a.cu", 9, None),
    ('original/src/a.cu(30): error: class "Layer" has no member "stop"', "a member that its class has not", "src/a.cu", 30,
     "stop"),
    ("a.cu:(.text+0x1f): undefined reference to `Net::step(int)'", "a symbol that nobody supplies", "a.cu", None, "Net::step"),
])  # fmt: skip
def test_messages_of_the_compiler(line: str, what: str, file: str, number: int | None, symbol: str | None) -> None:
    (found,) = failures_of(built(line))
    assert (found.what, found.file, found.line, found.symbol) == (what, file, number, symbol)


def test_what_many_units_tell_is_told_once() -> None:
    line = "original/include/a.cuh:12:3: error: ‘go’ was not declared in this scope"
    assert len(failures_of(built(line, line, line))) == 1


def test_open_symbols_and_who_needs_them() -> None:
    error = BuildError("open", [
        {"symbol": "_ZN3Net4stepER6Matrixl", "needed_by": ["a.cu", "b.cu"]},
        {"symbol": "_Z9plainNameR8NVMatrix", "needed_by": []}, {"symbol": "c_name", "needed_by": ["d"]},
    ])  # fmt: skip
    found = [(one.symbol, one.file) for one in failures_of(error)]
    assert found == [("Net::step", "a.cu"), ("Net::step", "b.cu"), ("plainName", None), ("c_name", "d")]


def test_an_import_that_fails() -> None:
    (found,) = failures_of(BuildError("no", found="ImportError: /x/_ConvNet.so: undefined symbol: _ZN5Layer2goEv"))
    assert found.symbol == "Layer::go" and "nobody supplies" in found.what
    (other,) = failures_of(BuildError("Python 2.7 cannot import the module", found="something else"))
    assert other.what == "Python 2.7 cannot import the module" and other.found is None


def test_a_crash_names_the_symbol_of_its_stack() -> None:
    (found,) = failures_of(NativeEngineError(
        "convnet.py was ended by SIGSEGV at batch 1.2; its last words:\n  alexnet-archive: native stack of the crashed thread\n"
        "  /b/module/_ConvNet.so(_ZN3Net3runEv+0x1c)[0x7f]\n"))  # fmt: skip
    assert found.what == "convnet.py was ended by SIGSEGV at batch 1.2" and found.symbol == "Net::run"


def test_problems_of_a_layer_file_without_what_was_found_there() -> None:
    problem = Problem("E", "x.cfg", "fc1", "schedW", "not a schedule", found="'dexp[1000,4]'", allowed="named", spec="5.4")
    (found,) = failures_of(LayerFileError("bad", (problem,)))
    assert (found.file, found.symbol, found.spec, found.found) == ("x.cfg", "fc1.schedW", "layer-language 5.4", None)
    assert "dexp" not in str(found)


def test_folders_of_this_machine_are_named_for_what_they_are(archive_root: Path) -> None:
    said = tidy(f"in {paths.original_source()}/src/net.cu and {paths.builds()}/host-cpu")
    assert said == "in original/src/net.cu and build/host-cpu"
    assert tidy("lost in /var/tmp/x/y.cfg, or in a/b") == "lost in y.cfg, or in a/b"
    assert str(Path.home()) not in tidy(Path.home() / "a" / "b")
