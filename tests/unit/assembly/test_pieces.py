"""Compiler messages, open symbols, units, Ninja text, patches, records: text and files in, facts out."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexnet_archive.assembly import messages, patchset, plan, record, symbols
from alexnet_archive.assembly.compiling import forget_stale
from alexnet_archive.assembly.runner import LocalRunner
from alexnet_archive.assembly.tools import Python2, find_python2, heard_by, needed_libraries
from alexnet_archive.errors import BuildError, MissingToolError

KNOWN = {"convImgActs": "4.2", "addProduct": "2.9", "NVMatrix": "2"}
GCC = """[1/3] compile layer.cu
In file included from /b/original/include/layer.cuh:12,
                 from /b/original/src/layer.cu:7:
/b/original/include/weights.cuh:40:12: error: 'class NVMatrix' has no member named 'addProduct'; did you mean 'x'?
   40 |     a.addProduct(b);
      |       ^~~~~~~~~~
/b/original/src/cost.cu:9: warning: unused variable 'n' [-Wunused-variable]
/b/original/src/gone.cu:3:10: fatal error: nowhere.h: No such file or directory
/usr/bin/ld: objects/layer.cu.o: in function `f()':
layer.cu:(.text+0x1f): undefined reference to `convImgActs(NVMatrix&, int)'
kernel.cu(17): error: identifier "convImgActs" is undefined
"""


def test_messages_come_back_as_facts() -> None:
    member, unused, header, reference, nvcc = messages.parse(GCC.splitlines(), KNOWN)
    assert (member.kind, member.file, member.line) == ("error", "/b/original/include/weights.cuh", 40)
    assert member.chain == ("/b/original/src/layer.cu:7", "/b/original/include/layer.cuh:12")
    assert (member.symbol, member.section) == ("NVMatrix", "2") or (member.symbol, member.section) == ("addProduct", "2.9")
    assert (unused.kind, unused.line, unused.chain) == ("warning", 9, ())
    assert header.line == 3 and "nowhere.h" in header.message
    assert (reference.file, reference.symbol, reference.section) == ("layer.cu", "convImgActs", "4.2")
    assert (nvcc.file, nvcc.line, nvcc.section) == ("kernel.cu", 17, "4.2")
    short = messages.relative(member, {Path("/b/original"): "original"})
    assert short.file == "original/include/weights.cuh" and "included from original/src/layer.cu:7" in str(short)


def test_the_chain_of_an_includer_is_the_part_above_it() -> None:
    text = """In file included from deep.h:9,
                 from middle.h:5,
                 from unit.cu:2:
deepest.h:1:1: warning: odd
middle.h: In function 'void f()':
middle.h:7:1: error: wrong
other.cu:1:1: error: alone
"""
    chains = [item.chain for item in messages.parse(text.splitlines(), {})]
    assert chains == [("unit.cu:2", "middle.h:5", "deep.h:9"), ("unit.cu:2",), ()]


def test_a_real_compiler_speaks_this_language(tmp_path: Path) -> None:
    (tmp_path / "inner.h").write_text("void f() { convImgActs(1); }\n")
    (tmp_path / "unit.cpp").write_text('#include "inner.h"\n')
    lines: list[str] = []
    status = LocalRunner().run(["g++", "-c", "unit.cpp"], cwd=tmp_path, environment={"LC_ALL": "C.UTF-8"}, on_line=lines.append)
    assert status != 0
    (found,) = [item for item in messages.parse(lines, KNOWN) if item.kind == "error"]
    assert (found.file, found.line, found.chain) == ("inner.h", 1, ("unit.cpp:1",))
    assert (found.symbol, found.section) == ("convImgActs", "4.2")


def test_open_symbols_and_their_suppliers(tmp_path: Path) -> None:
    (tmp_path / "hole.cpp").write_text(
        '#include <math.h>\nextern "C" { float nobody(float); __attribute__((weak)) void maybe();\n'
        "float f(float x) { if (maybe) maybe(); return nobody(x) + cosf(x); } }\n"
    )
    subprocess.run(["g++", "-shared", "-fPIC", "hole.cpp", "-o", "hole.so", "-lm"], cwd=tmp_path, check=True)
    text = subprocess.run(["nm", "-D", "hole.so"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    wanted = symbols.undefined(text)
    assert "nobody" in wanted and "cosf" in wanted and "maybe" not in wanted
    libraries = needed_libraries(
        subprocess.run(["ldd", "hole.so"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    )
    offers = {}
    for library in libraries:
        done = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
        offers[Path(library).name] = symbols.defined(done.stdout)
    found = {item.name: item.supplier for item in symbols.suppliers(wanted, offers)}
    assert found["nobody"] is None and str(found["cosf"]).startswith("libm")
    assert "f" in symbols.defined(text)


def test_a_library_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BuildError, match="libmissing"):
        needed_libraries("\tlibmissing.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n")
    assert needed_libraries("\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x1)\n\t/lib64/ld.so (0x2)\n") == [
        "/lib/x/libc.so.6",
        "/lib64/ld.so",
    ]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "src").mkdir(parents=True)
    for name, text in {
        "b.cu": "void f() { k<<<g, b>>>(1); }\n", "a.cu": "int a;\n", "test.cu": "int main() {}\n", "cpuCNN.cu": "int c;\n",
        "multi.cpp": "int m;\n", "notes.txt": "<<<",
    }.items():  # fmt: skip
        (source / "src" / name).write_text(text)
    return source


def test_units_leave_out_what_the_module_does_not_need(tree: Path) -> None:
    units = plan.units(tree, "cpu")
    assert [(unit.name, unit.plain, unit.rewritten is not None) for unit in units] == [
        ("a", False, False), ("b", False, True), ("multi", True, False),
    ]  # fmt: skip
    assert all(unit.rewritten is None for unit in plan.units(tree, "cuda"))
    for path in (tree / "src").glob("*"):
        path.unlink()
    with pytest.raises(BuildError, match="nothing to compile"):
        plan.units(tree, "cpu")


def flags(sanitize: str = "") -> list[str]:
    companion = plan.Companion(("/c/include", "/c/cpu"), ("-fopenmp",), "/b/libcompanion.a", ("gomp", "/opt/blas/libb.so"))
    python2 = Python2("/p", "2.7.18", "/p/include", "1.16.6", "/n/include", {})
    return plan.compile_flags("/o", "/b/generated", companion, python2, {"/o": "original", "/o/deep": "deep"}, sanitize)


def test_include_folders_come_in_the_order_of_the_specification() -> None:
    given = [flag for flag in flags() if flag.startswith(("-I", "-isystem", "-iquote"))]
    assert given == [
        "-iquote/o/src", "-I/o/include", "-I/c/include", "-I/c/cpu", "-isystem/p/include", "-isystem/n/include/numpy",
        "-isystem/n/include",
    ]  # fmt: skip
    assert {"-DNUMPY_INTERFACE", "-DMODELNAME=_ConvNet", "-DINITNAME=init_ConvNet", "-fopenmp"} <= set(flags())
    assert "-fsanitize=thread" in flags("thread") and not any("sanitize" in flag for flag in flags())
    maps = [flag for flag in flags() if "prefix-map" in flag]
    assert maps == ["-ffile-prefix-map=/o=original", "-ffile-prefix-map=/o/deep=deep"]


def test_nvcc_gets_the_same_includes_and_every_architecture() -> None:
    cuda = plan.cuda_flags(flags(), "sm_75,sm_90")
    assert "-gencode=arch=compute_90,code=sm_90" in cuda and "-I/o/include" in cuda and "-Xcompiler=-fPIC" in cuda
    assert "--default-stream=legacy" in cuda and "-std=c++14" in cuda
    assert plan.architectures("sm_80") == ["-arch=sm_80"] and plan.architectures(None) == ["-arch=native"]


def test_the_linkers_words_as_nvcc_takes_them() -> None:
    words = plan.cuda_link(["-shared", "-Wl,-rpath,/x", "-lcudart", "/x/libcublas.so.13", "/x/liba.so", "-fsanitize=address"])
    assert words == [
        "-cudart=shared", "-shared", "-Xlinker=-rpath,/x", "-Xlinker=/x/libcublas.so.13", "/x/liba.so",
        "-Xcompiler=-fsanitize=address",
    ]  # fmt: skip


def test_ninja_builds_names_with_spaces_and_dollars(tmp_path: Path) -> None:
    folder = tmp_path / "a b$c"
    folder.mkdir()
    (folder / "x.cpp").write_text('extern "C" int x() { return NUMBER; }\n')
    output, module = str(folder / "x.o"), str(folder / "m.so")
    text = plan.ninja_text(
        {"host": ["g++", "-fPIC", "-DNUMBER=(4 + 3)"]}, [("host", str(folder / "x.cpp"), output)], ["g++", "-shared"], module,
        ["-lpthread"],
    )  # fmt: skip
    (folder / "build.ninja").write_text(text)
    ninja = shutil.which("ninja") or str(Path(sys.executable).parent / "ninja")
    first = subprocess.run([ninja, "-C", str(folder)], capture_output=True, text=True)
    assert first.returncode == 0, first.stdout
    assert "no work to do" in subprocess.run([ninja, "-C", str(folder)], capture_output=True, text=True).stdout
    import ctypes

    assert ctypes.CDLL(module).x() == 7


def test_libraries_are_found_again_at_run_time() -> None:
    found = plan.link_flags(["gomp", "/opt/blas/libb.so", "/usr/lib/libc.so", "-lx"], "", lambda path: True)
    assert found == ["-lpthread", "-lgomp", "/opt/blas/libb.so", "-Wl,-rpath,/opt/blas", "/usr/lib/libc.so", "-lx"]


def test_the_series_that_ships_is_empty() -> None:
    assert patchset.series() == []


def test_a_series_is_read_in_order_and_its_patches_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("# why\nb.patch\n\na.patch\n")
    (tmp_path / "b.patch").write_text("")
    with pytest.raises(BuildError, match="missing"):
        patchset.series(tmp_path)
    (tmp_path / "a.patch").write_text("")
    assert [path.name for path in patchset.series(tmp_path)] == ["b.patch", "a.patch"]
    assert "not needed" in str(patchset.unneeded(patchset.series(tmp_path)))


def test_patches_go_into_a_copy(tree: Path, tmp_path: Path) -> None:
    pytest.importorskip("unidiff", reason="reading patches needs unidiff (extra `build`)")
    if shutil.which("git") is None:
        pytest.skip("patches are applied by git")
    (tree / "src" / "a.cu").chmod(0o444)
    patch = tmp_path / "one.patch"
    patch.write_text("--- a/src/a.cu\n+++ b/src/a.cu\n@@ -1 +1 @@\n-int a;\n+int b;\n")
    copy = patchset.patched_copy(tree, [patch], tmp_path / "patched")
    assert (copy / "src" / "a.cu").read_text() == "int b;\n" and (tree / "src" / "a.cu").read_text() == "int a;\n"
    patch.write_text("--- a/src/a.cu\n+++ b/src/a.cu\n@@ -1 +1 @@\n-int z;\n+int b;\n")
    with pytest.raises(BuildError, match="does not apply"):
        patchset.patched_copy(tree, [patch], tmp_path / "patched")


def test_a_record_of_an_altered_module_counts_for_nothing(tmp_path: Path) -> None:
    module = tmp_path / "module" / "_ConvNet.so"
    module.parent.mkdir()
    module.write_bytes(b"elf")
    content = {
        "schema": record.SCHEMA, "result": "built", "module": {"path": "module/_ConvNet.so", "sha256": record.digest(module)},
    }  # fmt: skip
    record.save(tmp_path, content)
    found = record.load(tmp_path)
    assert found is not None and found.module == module and not found.fresh
    module.write_bytes(b"elg")
    assert record.load(tmp_path) is None
    (tmp_path / record.RECORD_NAME).write_text("{")
    assert record.load(tmp_path) is None
    (tmp_path / record.RECORD_NAME).write_text(json.dumps({**content, "schema": 99}))
    assert record.load(tmp_path) is None


def test_a_missing_python_says_what_each_candidate_lacks(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError) as raised:
        find_python2(heard_by(LocalRunner(), tmp_path), sys.executable)
    assert "is Python 3" in str(raised.value) and "make python2" in str(raised.value.remedy)
    with pytest.raises(MissingToolError, match="does not run"):
        find_python2(heard_by(LocalRunner(), tmp_path), str(tmp_path / "no-python"))


def test_the_runner_hears_both_streams_and_returns_the_status(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); sys.exit(3)"
    status = LocalRunner().run([sys.executable, "-c", code], cwd=tmp_path, environment={}, on_line=lines.append)
    assert (status, lines) == (3, ["out", "err"])
    with pytest.raises(MissingToolError):
        LocalRunner().run(["no-such-program"], cwd=tmp_path, environment={}, on_line=lines.append)
    killed = "import os; os.kill(os.getpid(), 11)"
    assert LocalRunner().run([sys.executable, "-c", killed], cwd=tmp_path, environment={}, on_line=lines.append) == -11


def test_no_line_of_a_short_command_is_lost(tmp_path: Path) -> None:
    for count in range(30):
        lines: list[str] = []
        LocalRunner().run(["seq", str(count)], cwd=tmp_path, environment={}, on_line=lines.append)
        assert lines == [str(number) for number in range(1, count + 1)]


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_stopped_child_and_its_children_are_gone(tmp_path: Path, stubborn: bool) -> None:
    ignore = "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)" if stubborn else ""
    code = (
        "import signal, subprocess, sys, time\n" + ignore + "\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    heard: list[str] = []
    began = time.monotonic()
    status = LocalRunner(grace=0.5).run(
        [sys.executable, "-c", code], cwd=tmp_path, environment={}, on_line=heard.append, stop=lambda: bool(heard)
    )
    assert status != 0 and time.monotonic() - began < 20
    time.sleep(0.2)
    status_file = Path(f"/proc/{heard[0]}/status")
    assert not status_file.exists() or "zombie" in status_file.read_text()


OWNER = """
import sys
from pathlib import Path
from alexnet_archive.assembly.runner import LocalRunner
words = "import signal, sys, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; " + (
    "import subprocess; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True); "
    "time.sleep(60)"
)
LocalRunner().run([sys.executable, "-c", words], cwd=Path("/"), environment={}, on_line=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_command_ends_with_the_process_that_ran_it(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        grandchild = Path(f"/proc/{owner.stdout.readline().strip()}/stat")
        group = int(grandchild.read_text().rpartition(")")[2].split()[2])
        owner.send_signal(number)
        owner.wait(20)
    end = time.monotonic() + 20
    while running(group) and time.monotonic() < end:
        time.sleep(0.05)
    assert not running(group)


def running(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
            found += [int(file.parent.name)] if int(its_group) == group and state != "Z" else []
    return found


def test_an_object_of_another_text_is_removed_whatever_the_times_say(tmp_path: Path) -> None:
    source, objects = tmp_path / "source", tmp_path / "objects"
    (source / "src").mkdir(parents=True)
    (source / "include").mkdir()
    objects.mkdir()
    for name in ("src/a.cu", "src/b.cpp", "include/a.cuh"):
        (source / name).write_text("one")

    def left() -> set[str]:
        forget_stale(source, plan.units(source, "cuda"), objects)
        found = {path.name for path in objects.glob("*.o")}
        for name in ("a.cu.o", "b.cpp.o"):
            (objects / name).write_text("compiled")
        return found

    assert left() == set() and left() == {"a.cu.o", "b.cpp.o"}
    before = (source / "src" / "a.cu").stat().st_mtime_ns
    (source / "src" / "a.cu").write_text("two")
    os.utime(source / "src" / "a.cu", ns=(before - 10**12, before - 10**12))  # as a release brings its own times
    assert left() == {"b.cpp.o"} and left() == {"a.cu.o", "b.cpp.o"}
    (source / "include" / "a.cuh").write_text("two")
    assert left() == set()
