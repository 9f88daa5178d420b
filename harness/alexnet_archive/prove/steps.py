"""The steps of a proof, in the order in which they are tried. Data: what each promises, needs and depends on."""

from __future__ import annotations

from alexnet_archive.prove import building, layerfiles, numbers, original
from alexnet_archive.prove.site import Options, Step

VERIFY, IMPORT = "verify", "import"
AGAIN = "verify again"


def plan(options: Options) -> tuple[Step, ...]:
    """The steps that the options ask for, the long ones among them."""
    steps = [
        Step(VERIFY, "every byte of the release is as it was acquired", original.verify, always=True),
        Step("inventory", "the files of the record and no other; all they want is supplied", original.inventory, (VERIFY,)),
        Step("layer files", "our parser's verdict on each layer file is the one on record", layerfiles.layer_files, (VERIFY,)),
    ]
    made = {"toolchain": options.toolchain, "python2": options.python2}
    for flavour in options.flavours:
        run = building.build_cpu if flavour == "cpu" else building.build_cuda
        promise = f"release and companion compile and link in flavour {flavour}, with no symbol left open"
        steps.append(Step(f"build {flavour}", promise, run, (VERIFY,), {**made, "arch": options.arch}, always=True))
    if "cpu" in options.flavours:
        steps += _computing(made)
    steps.append(Step(AGAIN, "every byte of the release is still as it was acquired", original.verify, (VERIFY,), always=True))
    return tuple(steps)


def _computing(made: dict[str, str | None]) -> list[Step]:
    falls = "the release's front end trains two columns on two virtual GPUs, and the cost falls"
    agree = "reference and native agree in every item: activities, costs, weights, momentum"
    own = "the release's gradients agree with numeric differences"
    rows = (
        ("gradients", f"{own} on a small net of ours", numbers.gradients, False),
        ("training", falls, numbers.training, False),
        ("comparison", f"{agree}, on a small net", numbers.comparison, False),
        ("gradients of the release's example", f"{own} on its own example", numbers.example_gradients, True),
        ("comparison on the demonstration's net", agree, numbers.demo_comparison, True),
        ("comparison on a published net", f"{agree}, of {numbers.PUBLISHED} as it is", numbers.published_comparison, True),
    )
    imported = "Python 2.7 imports the module with all its functions"
    first = Step(IMPORT, imported, building.import_module, ("build cpu",), made)
    return [first, *(Step(name, promise, run, (IMPORT,), made, long=long) for name, promise, run, long in rows)]
