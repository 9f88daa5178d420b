"""Steps that make the module: built with the companion in a flavour, and imported by Python 2.7."""

from __future__ import annotations

import functools
import json
from typing import Any

from alexnet_archive import assembly, paths
from alexnet_archive.assembly.plan import FUNCTIONS, MODULE
from alexnet_archive.errors import BuildError
from alexnet_archive.files import make_folder
from alexnet_archive.prove.record import Failure
from alexnet_archive.prove.site import Found, Site
from alexnet_archive.runs import open_installation, open_runner


def build(flavour: str, site: Site) -> Found:
    """The untouched release and the companion compiled, linked, without open symbols; a finished build of the same is kept."""
    options = site.options
    toolchain, arch = options.toolchain, None
    if flavour == "cuda":
        from alexnet_archive.toolchains import gpu

        toolchain, arch = gpu.settle(toolchain, options.arch)
    make_folder(paths.builds())
    runner = open_runner(toolchain, write=[paths.builds()])
    wanted = assembly.BuildOptions(flavour, toolchain, "", options.python2 if toolchain == "host" else None, arch)
    return Found(_facts(assembly.build(wanted, runner=runner, progress=site.watch)))


def _facts(record: assembly.BuildRecord) -> dict[str, Any]:
    content = record.content
    tools = content["tools"]
    return {
        "flavour": content["flavour"], "toolchain": content["toolchain"], "arch": content["arch"],
        "compiler": tools["versions"]["cxx"], "nvcc": tools["nvcc"], "cmake": tools["versions"]["cmake"],
        "python2": tools["python2"]["version"], "numpy_of_python2": tools["python2"]["numpy"],
        "module_sha256": content["module"]["sha256"], "module_bytes": content["module"]["size"],
        "patches": len(content["patches"]), "rewritten_launches": sum(len(unit["launches"]) for unit in content["rewritten"]),
        "warnings": len(content["warnings"]), "open_symbols": content["open_symbols"],
        "seconds_of_the_build": content["seconds"], "built_now": record.fresh,
    }  # fmt: skip


def import_module(site: Site) -> Found:
    """Python 2.7 imports the built module and finds every function of engine-semantics section 6.1. Raises BuildError."""
    installation = open_installation(site.options.engine.toolchain, write=[site.work])
    said: list[str] = []
    code = f"import json, {MODULE} as m; print(json.dumps([k for k in dir(m) if not k.startswith('_')]))"
    status = installation.runner.run(
        [installation.python2, "-c", code], cwd=site.work, environment=installation.variables(seed=None, devices=1),
        on_line=said.append,
    )  # fmt: skip
    if status != 0:
        raise BuildError("Python 2.7 cannot import the module", found="\n".join(said))
    functions: list[str] = json.loads(said[-1])
    missing = [Failure("a function that the module lacks", symbol=name) for name in FUNCTIONS if name not in functions]
    return Found({"functions": functions}, tuple(missing), BuildError.exit_code)


build_cpu = functools.partial(build, "cpu")
build_cuda = functools.partial(build, "cuda")
