"""`diff`: what a build changes in the text, and where two engines or builds part ways in numbers."""

from __future__ import annotations

import click

from alexnet_archive.cli.diff.behaviour import behaviour
from alexnet_archive.cli.diff.source import source


@click.group(epilog="Example: alexnet-archive diff source")
def diff() -> None:
    """What the build changes in the released text; where two engines part ways."""


diff.add_command(source)
diff.add_command(behaviour)
