"""What a finished module must show: no open symbol that nobody supplies, and Python 2.7 imports it with every function."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from alexnet_archive.assembly import messages, plan, symbols
from alexnet_archive.assembly.job import Job
from alexnet_archive.assembly.tools import ask, needed_libraries
from alexnet_archive.errors import BuildError


def check_symbols(job: Job, module: Path) -> dict[str, int]:
    """How many open symbols each supplier has. Raises BuildError for symbols that nobody has, naming who needs them."""
    began = time.monotonic()
    folder = job.folder

    def nm(*arguments: str) -> str:
        return ask(job.runner, ["nm", "-D", *arguments], folder)[1]

    python = job.tools.python2.executable
    offers = {"python": symbols.defined(nm(_real(job, python)))}
    for library in needed_libraries(ask(job.runner, ["ldd", _real(job, python)], folder)[1]):
        if "libpython" in library:
            offers["python"] |= symbols.defined(nm(library))
    for library in needed_libraries(ask(job.runner, ["ldd", job.seen(module)], folder)[1]):
        offers[Path(library).name] = symbols.defined(nm("--defined-only", library))
    opened = symbols.suppliers(symbols.undefined(nm(job.seen(module))), offers)
    nobody = [item.name for item in opened if item.supplier is None]
    if nobody:
        raise _unsupplied(job, nobody)
    job.steps.append({"step": "check open symbols", "seconds": round(time.monotonic() - began, 3)})
    counts: dict[str, int] = {}
    for item in opened:
        counts[str(item.supplier)] = counts.get(str(item.supplier), 0) + 1
    return counts


def _real(job: Job, program: str) -> str:
    status, text = ask(job.runner, ["readlink", "-f", program], job.folder)
    return text.strip() if status == 0 else program


def _unsupplied(job: Job, names: Sequence[str]) -> BuildError:
    needs: dict[str, list[str]] = {name: [] for name in names}
    for item in sorted((job.folder / "objects").glob("*.o")):
        wanted = symbols.undefined(ask(job.runner, ["nm", job.seen(item)], job.folder)[1])
        for name in needs.keys() & set(wanted):
            needs[name].append(item.name.removesuffix(".o"))
    plain = ask(job.runner, ["c++filt", *names], job.folder)[1].splitlines()
    known = messages.sections()
    lines = []
    for name, readable in zip(names, plain if len(plain) == len(names) else names):
        short = re.sub(r"\(.*", "", readable).split("::")[-1]
        section = f" (specification: companion-native {known[short]})" if short in known else ""
        lines.append(f"  {readable}: needed by {', '.join(needs[name]) or 'the companion'}{section}")
    return BuildError(
        "the module leaves symbols open that nobody supplies:\n" + "\n".join(lines),
        [{"symbol": name, "needed_by": needs[name]} for name in names],
        path=job.folder / "build.log",
        expected="only symbols of Python, BLAS and the C and C++ run-time",
        remedy=f"the release asks for something new; report it: {messages.REPORT}",
    )


def environment(job: Job) -> dict[str, str]:
    """A sanitized module needs its run-time loaded before Python."""
    if not job.options.sanitize:
        return {}
    names = {"address": "libasan.so", "thread": "libtsan.so", "undefined": "libubsan.so"}
    found = []
    for kind in job.options.sanitize.split(","):
        found.append(ask(job.runner, [job.tools.cxx, f"-print-file-name={names[kind]}"], job.folder)[1].strip())
    return {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def check_import(job: Job, module: Path) -> list[str]:
    """Import the module in Python 2.7; its functions, sorted. Raises BuildError when one of section 6.1 is missing."""
    began = time.monotonic()
    code = f"import json, {plan.MODULE} as m; print(json.dumps([k for k in dir(m) if not k.startswith('_')]))"
    variables = {"PYTHONPATH": job.seen(module.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment(job)}
    status, text = ask(job.runner, [job.tools.python2.executable, "-c", code], job.folder, variables)
    if status != 0:
        raise BuildError("Python 2.7 cannot import the module", path=module, found=text[-1500:], remedy=messages.REPORT)
    functions: list[str] = json.loads(text.splitlines()[-1])
    missing = sorted(set(plan.FUNCTIONS) - set(functions))
    if missing:
        raise BuildError("the module lacks functions", path=module, found=", ".join(missing), remedy=messages.REPORT)
    job.steps.append({"step": "import in Python 2.7", "seconds": round(time.monotonic() - began, 3)})
    return functions
