"""`python -m alexnet_archive`: the same as the command `alexnet-archive`."""

from alexnet_archive.cli.main import run

run()
