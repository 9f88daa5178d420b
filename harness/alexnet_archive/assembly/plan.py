"""What to compile, with which flags, in which order: pure text, before anything runs.

Units, defines and include folders are those of companion-native section 6; launches are rewritten as in 7.4. The build
itself is Ninja's: parallel, incremental, with header dependencies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_archive.assembly.launches import Rewritten, rewrite_launches
from alexnet_archive.assembly.tools import Python2
from alexnet_archive.errors import BuildError

MODULE = "_ConvNet"
# Functions of the module as Python sees it (engine-semantics section 6.1).
FUNCTIONS = (
    "initModel", "startBatch", "finishBatch", "checkGradients", "startMultiviewTest", "startFeatureWriter",
    "startDataGrad", "syncWithHost",
)  # fmt: skip
# Of no use in the module; `test` defines main and needs what no one has (section 6.1).
LEFT_OUT = {"test", "cpuCNN"}
# Python 2.7 and NumPy 1.16 warn about themselves; what is left is about the release.
WARNINGS_OFF = ("-Wno-register", "-Wno-cpp")


LINK = ("-shared", "-Wl,--build-id=none", "-Wl,-Bsymbolic-functions")


@dataclass(frozen=True)
class Unit:
    """One file to compile. `text` is set where the CPU flavour compiles rewritten text instead of the file."""

    name: str
    source: Path
    rewritten: Rewritten | None = None

    @property
    def plain(self) -> bool:
        """Compiled by the host compiler in every flavour."""
        return self.source.suffix == ".cpp"


@dataclass(frozen=True)
class Companion:
    """What the companion's own build says in companion.json."""

    include_dirs: tuple[str, ...]
    compile_options: tuple[str, ...]
    static_library: str
    link_libraries: tuple[str, ...]


def units(source: Path, flavour: str) -> list[Unit]:
    """The units of the release below `source`, in name order. Raises BuildError when there are none."""
    found = [path for path in sorted((source / "src").glob("*")) if path.suffix in (".cu", ".cpp")]
    out = []
    for path in (path for path in found if path.stem not in LEFT_OUT):
        rewritten = None
        if flavour == "cpu" and path.suffix == ".cu":
            # Line ends stay as they are: what differs from the release is the launches alone.
            text = path.read_bytes().decode("utf-8", errors="surrogateescape")
            rewritten = rewrite_launches(text, path=str(path))
        out.append(Unit(path.stem, path, rewritten if rewritten is not None and rewritten.changed else None))
    if not out:
        raise BuildError("there is nothing to compile", path=source / "src", expected="*.cu and *.cpp", found="none")
    return out


def prefix_maps(places: Mapping[str, str]) -> list[str]:
    """Compiler options that keep this machine's folders (path -> name) out of the output. Longer paths win."""
    return [f"-ffile-prefix-map={place}={name}" for place, name in sorted(places.items(), key=lambda item: len(item[0]))]


def compile_flags(
    source: str, generated: str, companion: Companion, python2: Python2, places: Mapping[str, str], sanitize: str
) -> list[str]:
    """Flags of a unit of the release for g++; the release's headers come before the companion's."""
    flags = ["-std=gnu++14", "-O2", "-fPIC", *WARNINGS_OFF]
    flags += ["-DNUMPY_INTERFACE", f"-DMODELNAME={MODULE}", f"-DINITNAME=init{MODULE}"]
    flags += [f"-iquote{source}/src", f"-I{source}/include", *(f"-I{folder}" for folder in companion.include_dirs)]
    flags += [f"-isystem{python2.include}", f"-isystem{python2.numpy_include}/numpy", f"-isystem{python2.numpy_include}"]
    flags += [*companion.compile_options, *prefix_maps(places)]
    if sanitize and not any("-fsanitize" in option for option in companion.compile_options):
        flags += [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer", "-g"]
    return flags


def cuda_flags(flags: Sequence[str], arch: str | None) -> list[str]:
    """The same for nvcc: the host compiler's options wrapped, the architecture named, the default stream legacy."""
    own = ("-I", "-D", "-O", "-std=", "-isystem")
    passed = [flag for flag in flags if flag.startswith(own)]
    # nvcc takes a system folder as a word of its own.
    passed = [word for flag in passed for word in (("-isystem", flag[8:]) if flag.startswith("-isystem") else (flag,))]
    passed = [flag.replace("gnu++14", "c++14") for flag in passed]
    wrapped = [f"-Xcompiler={flag}" for flag in flags if not flag.startswith(own) and not flag.startswith("-iquote")]
    return [*architectures(arch), "--default-stream=legacy", *passed, *wrapped]


def cuda_link(words: Sequence[str]) -> list[str]:
    """Words for the linker as nvcc takes them; the CUDA run-time is shared, once, and named by nvcc itself."""
    out = ["-cudart=shared"] if "-shared" in words else []
    for word in words:
        if word.startswith("-Wl,"):
            out.append(f"-Xlinker={word.removeprefix('-Wl,')}")
        elif word.startswith("-fsanitize"):
            out.append(f"-Xcompiler={word}")
        elif ".so." in word:
            # nvcc knows libraries by the end of their name alone.
            out.append(f"-Xlinker={word}")
        elif word != "-lcudart":
            out.append(word)
    return out


def architectures(arch: str | None) -> list[str]:
    """nvcc's options for `sm_75` or `sm_75,sm_90`; without one, this machine's GPU."""
    numbers = [name.strip().removeprefix("sm_") for name in (arch or "").split(",") if name.strip()]
    if len(numbers) < 2:
        return [f"-arch=sm_{numbers[0]}" if numbers else "-arch=native"]
    return [f"-gencode=arch=compute_{number},code=sm_{number}" for number in numbers]


def ninja_text(
    compilers: Mapping[str, Sequence[str]],
    objects: Sequence[tuple[str, str, str]],
    link: Sequence[str],
    module: str,
    libraries: Sequence[str],
    linked: Sequence[str] | None = None,
) -> str:
    """build.ninja: `compilers` rule -> command head, `objects` (rule, input, output), `link` the linker's head.

    `linked` names everything that is linked, in order, where that is more than the objects compiled here.
    """
    lines = ["ninja_required_version = 1.7"]
    for rule, head in compilers.items():
        lines += [
            f"rule {rule}",
            f"  command = {_words(head)} -MMD -MF $out.d -frandom-seed=$name -c $in -o $out"
            if rule != "nvcc"
            else f"  command = {_words(head)} -MD -MF $out.d -c $in -o $out",
            "  depfile = $out.d",
            "  deps = gcc",
            "  description = compile $name",
        ]
    lines += ["rule link", f"  command = {_words(link)} -o $out $in $libraries", "  description = link $out"]
    for rule, source, output in objects:
        lines += [f"build {_path(output)}: {rule} {_path(source)}", f"  name = {Path(source).name}"]
    inputs = " ".join(map(_path, [output for _, _, output in objects] if linked is None else linked))
    implicit = " ".join(_path(library) for library in libraries if library.endswith(".a"))
    lines += [f"build {_path(module)}: link {inputs} | {implicit}", f"  libraries = {_words(libraries)}"]
    return "\n".join([*lines, f"default {_path(module)}", ""])


def _path(text: str) -> str:
    return text.replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


def _words(words: Sequence[str]) -> str:
    import shlex

    return " ".join(shlex.quote(word).replace("$", "$$") for word in words)


def link_flags(libraries: Sequence[str], sanitize: str, is_file: Callable[[str], bool]) -> list[str]:
    """Libraries as the companion names them: files by path with their folder to be searched at run time, others by -l."""
    flags = ["-lpthread"]
    for library in libraries:
        if library.startswith("-"):
            flags.append(library)
        elif "/" in library and is_file(library):
            folder = str(Path(library).parent)
            flags += [library] if folder.startswith(("/usr/lib", "/lib")) else [library, f"-Wl,-rpath,{folder}"]
        else:
            flags.append(f"-l{library}")
    if sanitize:
        flags.append(f"-fsanitize={sanitize}")
    return flags
