"""Running the release's scripts: the seeding wrapper, and a stop that saves (python-and-data sections 2.6 and 7.3)."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.companion_python.conftest import MODULES
from tests.unit.companion_python.test_gpumodel import MODEL

SCRIPT = """
from __future__ import print_function
import os, random, sys
import numpy
from beside import name
print(name, __name__, sys.argv[1:], os.path.basename(sys.argv[0]))
print(int(numpy.random.randint(10 ** 6)), round(random.random(), 6))
"""
RUN = f"""
import os, runpy, sys
open('script.py', 'w').write({SCRIPT!r}); open('beside.py', 'w').write('name = "beside"')
sys.argv = ['run_release.py', 'script.py', '--a', 'b']
sys.path.insert(0, 'where python puts the wrapper')
runpy.run_path({str(MODULES / "run_release.py")!r}, run_name='__main__')
"""


def test_a_script_runs_as_itself_and_seeded(either: Callable[..., str]) -> None:
    seeded = {"ALEXNET_ARCHIVE_SEED": "20120930"}
    first, second = either(RUN, environment=seeded), either(RUN, environment=seeded)
    assert first == second
    assert first.splitlines()[0] == "beside __main__ ['--a', 'b'] script.py"
    assert either(RUN, environment={"ALEXNET_ARCHIVE_SEED": "1"}) != first
    # A seed of 64 bits is more than NumPy's generator takes.
    either(RUN, environment={"ALEXNET_ARCHIVE_SEED": str(2**64 - 1)})


def test_without_a_seed_runs_differ(either: Callable[..., str]) -> None:
    assert either(RUN, environment={"ALEXNET_ARCHIVE_SEED": ""}) != either(RUN, environment={"ALEXNET_ARCHIVE_SEED": ""})


STOP = """
import signal
class Stopping(Model):
    def finish_batch(self):
        if self.batchnum == 2: os.kill(os.getpid(), signal.SIGINT)
        return Model.finish_batch(self)
sys.argv = ['tiny'] + ARGS + ['--epochs=9', '--test-freq=%s']
op, load_dic = IGPUModel.parse_options(IGPUModel.get_options_parser())
model = Stopping(op, load_dic)
try:
    print(''); print(ends(model.start), sorted(os.listdir(os.path.join('runs', model.save_file))))
except KeyboardInterrupt:
    print(''); print('ended as in 2012', os.path.exists(os.path.join('runs', model.save_file)))
"""


def test_a_stop_saves_after_the_batch_in_hand(either: Callable[..., str]) -> None:
    polite = {"ALEXNET_ARCHIVE_POLITE_STOP": "1"}
    assert either(MODEL + STOP % 1000, environment=polite).splitlines()[-1] == "130 ['1.2']"
    # A batch that was to be saved anyway is not saved twice.
    assert either(MODEL + STOP % 2, environment=polite).splitlines()[-1] == "130 ['1.2']"


def test_without_being_asked_ctrl_c_does_what_it_did(either: Callable[..., str]) -> None:
    assert either(MODEL + STOP % 1000).splitlines()[-1] == "ended as in 2012 False"
