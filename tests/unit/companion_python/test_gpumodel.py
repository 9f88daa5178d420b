# ruff: noqa: E501  the programs under test are given as text
"""The life of a model: construction order, loop, tests, checkpoints, resuming (python-and-data sections 1.7 and 2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

MODEL = """
import sys
sys.path.insert(0, '.')
from util import *
from data import *
from options import *
from gpumodel import *
from util import pickle
class Module:
    def initModel(self, *arguments): log.append('initModel')
    def startBatch(self, data, progress, test=0): log.append('%s%d' % ('test' if test else 'train', data['data'][0, 0])); self.last = data
    def finishBatch(self): return {'cost': [float(self.last['data'].sum()), 1.0]}, 2
    def syncWithHost(self): log.append('sync')
log = []
class Model(IGPUModel):
    def __init__(self, op, load_dic):
        IGPUModel.__init__(self, 'Tiny', op, load_dic, [])
    def get_gpus(self):
        log.append('get_gpus'); IGPUModel.get_gpus(self)
    def fill_excused_options(self): log.append('fill')
    def init_data_providers(self):
        log.append('providers'); IGPUModel.init_data_providers(self)
    def init_model_state(self):
        log.append('state')
        self.model_state['layers'] = self.model_state.get('layers') or {'a': {'weights': n.zeros((2, 2), dtype=n.float32)}}
    def import_model(self): log.append('import'); self.libmodel = Module()
    def init_model_lib(self): self.libmodel.initModel()
def make(*arguments):
    del log[:]
    sys.argv = ['tiny'] + list(arguments)
    op, load_dic = IGPUModel.parse_options(IGPUModel.get_options_parser())
    return Model(op, load_dic)
def ends(action):
    try: action()
    except SystemExit as end: return end.code
def folder():
    os.makedirs('d')
    pickle('d/batches.meta', {'num_vis': 4, 'label_names': ['a', 'b']})
    for k in range(1, 8):
        pickle('d/data_batch_%d' % k, {'data': n.full((4, 2), k, dtype=n.float32), 'labels': [0, 1]})
if not os.path.exists('d'): folder()
ARGS = ['--data-path=d', '--save-path=runs', '--train-range=1-3', '--test-range=6-7', '--data-provider=default']
"""


def test_construction_order_and_gpus(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "model = make(*(ARGS + ['--num-gpus=2']))\nprint(log)\n"
        "print(model.device_ids, model.device_cpus, model.epoch, model.batchnum, model.train_outputs, model.layers is model.model_state['layers'])\n"
        "print(model.dp_params['convnet'] is model, model.test_data_provider.test, model.train_data_provider.test)\n"
        "print(make(*(ARGS + ['--num-gpus=2', '--gpu=3,1'])).device_ids)\n"
        "print(model.save_file)\n"
    ).splitlines()
    assert out[0] == "['get_gpus', 'fill', 'providers', 'state', 'import', 'initModel']"
    assert out[1:4] == ["[0, 1] [[-1], [-1]] 1 1 [] True", "True True False", "[3, 1]"]
    assert out[4].startswith("Tiny__20") and len(out[4]) == len("Tiny__2012-08-03_14.28.23")


def test_too_few_boards_are_refused(either: Callable[..., str]) -> None:
    out = either(MODEL + "print(ends(lambda: make(*(ARGS + ['--num-gpus=2', '--gpu=3']))))")
    assert out.splitlines()[-1] == "1"


def test_loop_saves_only_at_multiples_and_trains_one_batch_more(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "model = make(*(ARGS + ['--epochs=1', '--test-freq=2', '--max-filesize=0']))\n"
        "status = ends(model.start)\nprint('')\nprint(status, log[6:], len(model.train_outputs), len(model.test_outputs))\n"
        "print(sorted(os.listdir(os.path.join('runs', model.save_file))))\n"
    ).splitlines()
    # Batch 1 of epoch 2 is trained before the loop ends (section 2.3); 4 batches are a multiple of 2 as well.
    assert out[-2] == "0 ['train1', 'train2', 'sync', 'test6', 'train3', 'train1', 'sync', 'test7'] 4 2"
    assert out[-1] == "['2.1']"


def test_a_roomy_run_keeps_every_checkpoint(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "model = make(*(ARGS + ['--epochs=3', '--test-freq=1', '--max-filesize=1']))\nends(model.start)\n"
        "print(''); print(sorted(os.listdir(os.path.join('runs', model.save_file)), key=alphanum_key))"
    )
    kept = "['1.1', '1.2', '1.3', '2.1', '2.2', '2.3', '3.1', '3.2', '3.3', '4.1']"
    assert out.splitlines()[-1] == kept


def test_resuming_goes_on_behind_the_stored_batch(either: Callable[..., str]) -> None:
    either(
        MODEL
        + "model = make(*(ARGS + ['--epochs=1', '--test-freq=2']))\nends(model.start)\nos.rename(os.path.join('runs', model.save_file), 'run')\n"
    )
    out = either(
        MODEL + "open('run/.writing-9.9', 'w').close()\n"
        "model = make('-f', 'run', '--epochs=2', '--save-path=.')\n"
        "print(model.epoch, model.batchnum, model.save_file, model.op.get_value('data_path'), len(model.train_outputs))\n"
        "print(ends(model.start), log[6:], sorted(os.listdir('run')))\n"
    ).splitlines()
    assert "2 1 run d 4" in out
    trained, kept = "['train2', 'train3', 'sync', 'test6', 'train1']", ".writing-9.9 1.2 2.1 2.3"
    assert out[-1] == f"0 {trained} {kept.split()}"


@pytest.mark.parametrize("zipped", [0, 1])
def test_the_newest_checkpoint_is_the_one_that_was_saved_last(either: Callable[..., str], zipped: int) -> None:
    """A run that went on from 1.1 stands at 1.3, while 2.1 lies there; the same in a folder that makes room."""
    out = either(
        MODEL + f"more = ['--test-freq=1', '--max-filesize=1', '--zip-save={zipped}']\n"
        "model = make(*(ARGS + ['--epochs=1'] + more))\nends(model.start)\nos.rename(os.path.join('runs', model.save_file), 'run')\n"
        "def stands():\n"
        "    state = IGPUModel.load_checkpoint('run')['model_state']\n"
        "    print(''); print('at', state['epoch'], state['batchnum'], sorted(os.listdir('run')))\n"
        "stands()\n"
        "ends(make('-f', 'run/1.1', '--epochs=1', '--test-freq=3', '--save-path=.').start)\nstands()\n"
        "ends(make('-f', 'run', '--epochs=1', '--test-freq=4', '--save-path=.', '--max-filesize=0').start)\nstands()\n"
    )
    stands = [line for line in out.splitlines() if line.startswith("at ")]
    assert stands == ["at 2 1 ['1.1', '1.2', '1.3', '2.1']", "at 1 3 ['1.1', '1.2', '1.3', '2.1']", "at 2 1 ['2.1']"]


def test_what_the_harness_wants_kept_stands_in_every_checkpoint(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "with open('kept.json', 'w') as stream: stream.write('{\"label_names\": [\"\\\\u72ac\"], \"data\": {\"path\": \"/x\"}}')\n"
        "os.environ['ALEXNET_ARCHIVE_ENTRIES'] = os.path.abspath('kept.json')\n"
        "model = make(*(ARGS + ['--epochs=1', '--test-freq=1']))\nends(model.start)\n"
        "kept = IGPUModel.load_checkpoint(os.path.join('runs', model.save_file))['alexnet_archive']\n"
        "print(''); print(ord(kept['label_names'][0]), str(kept['data']['path']))\n"
    )
    assert out.splitlines()[-1] == f"{0x72AC} /x"


def test_resuming_without_a_checkpoint_says_so(either: Callable[..., str]) -> None:
    out = either(MODEL + "print(ends(lambda: make('-f', 'nowhere')))")
    assert out.startswith("No checkpoint") and out.splitlines()[-1] == "1"


def test_test_only_prints_one_line_per_batch_over_the_whole_range(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "print(ends(make(*(ARGS + ['--test-only=1', '--test-one=0', '--test-range=5-7'])).start))"
    ).splitlines()
    assert out[:3] == [f"batch {k}: ({{'cost': [{8.0 * k}, 1.0]}}, 2)" for k in (5, 6, 7)]
    assert out[-1] == "0"


def test_a_batch_of_a_single_case_is_handed_over_in_rows(either: Callable[..., str]) -> None:
    """Its strides alone tell the module how it lies (companion-native 5.2); all other batches are the provider's own arrays."""
    out = either(
        MODEL + "class Provider:\n"
        "    def get_next_batch(self): return 3, 6, matrices\n"
        "model = make(*ARGS)\nmodel.train_data_provider = model.test_data_provider = Provider()\n"
        "print('')\n"
        "for cases in (1, 2):\n"
        "    matrices = [n.arange(cases * rows, dtype=n.float32).reshape(cases, rows).T for rows in (5, 1)]\n"
        "    for train in (True, False):\n"
        "        epoch, number, given = model.get_next_batch(train=train)\n"
        "        print(epoch, number, [a.shape for a in given] == [(5, cases), (1, cases)], given[0][:, 0].tolist() == [0, 1, 2, 3, 4],\n"
        "              given[0].strides, given[1].strides, str(given[0].dtype), [a is b for a, b in zip(given, matrices)])\n"
    ).splitlines()
    assert out[-4:-2] == ["3 6 True True (4, 4) (4, 4) float32 [False, False]"] * 2
    assert out[-2:] == ["3 6 True True (4, 20) (4, 4) float32 [True, True]"] * 2


def test_an_unknown_provider_lists_what_there_is(either: Callable[..., str]) -> None:
    out = either(MODEL + "print(ends(lambda: make(*(ARGS[:-1] + ['--data-provider=absent']))))")
    assert "dummy-labeled-n" in out and out.splitlines()[-1] == "1"


def test_variables_travel_in_the_checkpoint(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "model = make(*ARGS)\nmodel.set_var('extra', 5); model.epoch = 1; model.zip_save = 1; model.save_state()\n"
        "back = IGPUModel.load_checkpoint(os.path.join('runs', model.save_file))\n"
        "print(back['model_state']['extra'], model.has_var('extra'), model.get_var('extra'), back['op'].get_value('test_batch_range'))"
    )
    assert out == "5 True 5 [6, 7]\n"


def test_a_run_stops_exactly_behind_the_batch_that_is_named_and_saves_it(either: Callable[..., str]) -> None:
    """As the harness asks where something is changed by hand: between two saves, at the end of an epoch, and once only."""
    code = (
        MODEL + "model = make(*(ARGS + ['--epochs=9', '--test-freq=2', '--max-filesize=1']))\nstatus = ends(model.start)\n"
        "print(''); print(status, log[6:], sorted(os.listdir(os.path.join('runs', model.save_file)), key=alphanum_key))"
    )
    out = either(code, environment={"ALEXNET_ARCHIVE_STOP_AFTER": "1.3"}).splitlines()
    assert out[-1] == "0 ['train1', 'train2', 'sync', 'test6', 'train3', 'sync'] ['1.2', '1.3']"
    out = either(code.replace("runs", "again"), environment={"ALEXNET_ARCHIVE_STOP_AFTER": "1.2"}).splitlines()
    assert out[-1] == "0 ['train1', 'train2', 'sync', 'test6'] ['1.2']", "what was saved is not saved again"


def test_a_run_keeps_the_course_and_takes_the_folder_that_the_harness_names(either: Callable[..., str]) -> None:
    code = (
        MODEL + "open('course.toml', 'w').write('about = 1')\n"
        "model = make(*(ARGS + ['--epochs=1', '--test-freq=3']))\nends(model.start)\n"
        "print(''); print(model.save_file)\n"
        "from util import unpickle\nprint(unpickle(os.path.join('runs', model.save_file, '1.3'))['alexnet_archive'])"
    )
    named = {"ALEXNET_ARCHIVE_COURSE": "course.toml", "ALEXNET_ARCHIVE_RUN_FOLDER": "Tiny__2012-08-03_14.28.23__net"}
    assert either(code, environment=named).splitlines()[-2:] == ["Tiny__2012-08-03_14.28.23__net", "{'course': 'about = 1'}"]
def test_a_checkpoint_says_how_many_classes_have_a_name_where_not_all_have(either: Callable[..., str]) -> None:
    out = either(
        MODEL + "for wanted in ('0', '5'):\n"
        "    os.environ['ALEXNET_ARCHIVE_CLASSES'] = wanted\n"
        "    model = make(*ARGS); model.epoch = int(wanted); model.save_state()\n"
        "    print(IGPUModel.load_checkpoint(os.path.join('runs', model.save_file)).get('alexnet_archive'))\n"
    )
    assert out.splitlines() == ["None", "{'named_classes': 2}"]
