"""Runs a script of the release as it stands: `python2.7 run_release.py SCRIPT [its options]`.

The release never seeds anything (python-and-data section 7.3). Where ALEXNET_ARCHIVE_SEED is set, NumPy's and Python's
generators are seeded from it before the script starts; the native library reads the same variable itself.
"""

import os
import random
import runpy
import sys


def main():
    script = os.path.abspath(sys.argv[1])
    seed = os.environ.get("ALEXNET_ARCHIVE_SEED")
    if seed:
        import numpy

        numpy.random.seed(int(seed) % 2 ** 32)
        random.seed(int(seed))
    sys.argv = sys.argv[1:]
    # A script finds the modules beside it first, as if it had been started itself.
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
