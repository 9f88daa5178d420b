"""`test`: errors per cost over a range of batches, on one or many views. `classify`: top-5 classes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alexnet_archive.cli.shared import emit_json, progress_bar
from alexnet_archive.errors import UserInputError

if TYPE_CHECKING:
    from alexnet_archive.cli.train import Run
    from alexnet_archive.training.testing import PredictionFiles

EPILOG_TEST = "Example: alexnet-archive test runs/ConvNet__2026-01-31_12.00.00 --views 10"
EPILOG_CLASSIFY = "Example: alexnet-archive classify runs/ConvNet__2026-01-31_12.00.00 cat.jpg --out cat.png"


@click.command(epilog=EPILOG_TEST)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--views", type=click.IntRange(min=1), default=1, show_default=True, help="1, or the number the provider offers (10)"
)
@click.option("--data", "data_path", default=None, help="folder of batch files (default: the checkpoint's)")
@click.option("--data-provider", "dp_type", default=None, help="how batch files are read")
@click.option("--test-range", "test_batch_range", default=None, help="batch numbers, such as 2000-2048")
@click.option("--params", "--layer-params", "layer_params", default=None, help="layer parameter file")
@click.option("--test-out", default=None, help="folder for prediction files (needs --logreg-name and --views)")
@click.option("--logreg-name", default=None, help="cost layer whose averaged probabilities are written")
@click.option("--engine", type=click.Choice(["reference", "native"]), default="reference", show_default=True)
@click.option("--toolchain", default=None, help="run the native engine in this container image")
@click.option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="of the native build")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def test(checkpoint: Path, views: int, engine: str, toolchain: str | None, flavour: str, as_json: bool, **typed: Any) -> None:
    """Errors of a checkpoint over its test range: one line per batch, then the means."""
    if engine == "native":
        from alexnet_archive.cli.native import test_native

        test_native(checkpoint, views=views, typed=typed, toolchain=toolchain, flavour=flavour, as_json=as_json)
        return
    from alexnet_archive.cli.classifying import require_views
    from alexnet_archive.cli.train import open_run

    typed = {**typed, "load_file": str(checkpoint), "multiview_test": "1" if views > 1 else "0"}
    run = open_run(typed, seed=None, training=False)
    require_views(run, views)
    test_open_run(run, as_json)


def prediction_files(run: Run, classes: int) -> PredictionFiles | None:
    """Where --test-out sends the probabilities, None when it was not given; raises UserInputError without what it needs."""
    from alexnet_archive.training.testing import PredictionFiles

    values = run.values
    if not values["test_out"]:
        return None
    if not (values["logreg_name"] and values["multiview_test"]):
        raise UserInputError("--test-out needs --logreg-name and a multi-view test", remedy="add --views 10")
    return PredictionFiles(Path(values["test_out"]), values["logreg_name"], classes, str(run.folder))


def test_open_run(run: Run, as_json: bool, *, batches: int | None = None) -> None:
    """Test the next `batches` of an open run, by default its whole range; prints them and their means, closes the run.

    Raises UserInputError without test data or when prediction files are asked for without what they need.
    """
    from alexnet_archive import training

    provider = run.data.test
    if provider is None:
        raise UserInputError("there is no test data", remedy="name batches with --test-range")
    files = prediction_files(run, provider.num_classes)
    tested: list[training.BatchTested] = []

    with progress_bar("testing", unit="batches") as bar:

        def on_batch(one: training.BatchTested) -> None:
            tested.append(one)
            bar(len(tested), batches or len(provider.batch_range), "")
            if not as_json:
                # The release's own line: the Python repr of (sums per cost, cases), nothing after it (section 2.4).
                costs = {name: list(v) for name, v in one.result.costs.items()}
                click.echo(f"batch {one.batch}: {(costs, one.result.cases)}")

        total = training.test_range(
            run.engine, provider, batches=batches, multiview=bool(run.values["multiview_test"]), predictions=files,
            on_batch=on_batch,
        )  # fmt: skip
    run.close()
    if as_json:
        emit_json({
            "checkpoint": str(run.checkpoint.path if run.checkpoint else ""),
            "cases": total.cases,
            "costs": total.means(),
            "batches": [{"batch": t.batch, "cases": t.result.cases, "costs": t.result.means()} for t in tested],
            "skipped": [name for t in tested for name in t.skipped],
        })  # fmt: skip
        return
    for name, means in total.means().items():
        click.echo(f"{name}: " + ", ".join(f"{m:.6f}" for m in means) + f"  over {total.cases} cases")


@click.command(epilog=EPILOG_CLASSIFY)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data", "data_path", default=None, help="folder with batches.meta (default: the checkpoint's)")
@click.option("--views", type=click.IntRange(min=1), default=1, show_default=True, help="1, or 10: averaged over views")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="figure with bars, .png or .svg")
@click.option("--engine", type=click.Choice(["reference", "native"]), default="reference", show_default=True)
@click.option("--toolchain", default=None, help="run the native engine in this container image")
@click.option("--flavour", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="of the native build")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def classify(
    checkpoint: Path, pictures: tuple[Path, ...], data_path: str | None, views: int, out: Path | None, engine: str,
    toolchain: str | None, flavour: str, as_json: bool,
) -> None:  # fmt: skip
    """Top-5 classes of PICTURES, with a figure."""
    from alexnet_archive.cli import classifying

    with progress_bar("classifying") as bar:
        bar(0, len(pictures), "")
        if engine == "native":
            from alexnet_archive.cli.native import native_probabilities

            result = native_probabilities(checkpoint, pictures, data_path, views, toolchain, flavour)
        else:
            result = classifying.classify_reference(checkpoint, pictures, data_path, views)
    if out is not None:
        from alexnet_archive.exhibit.figures import prediction_figure, save_figure

        save_figure(prediction_figure(result.predictions, result.names, columns=4), out)
    if as_json:
        emit_json(result.as_rows())
        return
    for row in result.as_rows():
        click.echo(f"{row['picture']}:")
        for entry in row["top"]:
            click.echo(f"  {entry['probability'] * 100:5.1f} %  {entry['class']}")
    if out is not None:
        click.echo(f"figure: {out}")
