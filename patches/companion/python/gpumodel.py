"""Stands for the private module `gpumodel` of the 2012 release; written from python-and-data sections 1.7 and 2.

IGPUModel is the life of a model: options, providers, extension, training loop, tests, checkpoints. The release derives
ConvNet and ShowConvNet from it and overrides most hooks. Checked under Python 2.7 and 3 with small models, and under the
stand-in's front end.
"""

import checkpoint_line as _line
import json as _json
import signal as _signal
import sys as _sys
import time as _time

from util import *
from data import *
from options import *
# Checkpoints written in a temporary file first must not be taken for one (section 2.6, and `util`).
from util import _UNFINISHED_PREFIX, _mapped
from data import _NAMED_KEY


class ModelStateException(Exception):
    """The layers, or a checkpoint's, do not make a model."""


_RULE = "=" * 25
_EXTENSION = "alexnet_archive"
_POLITE_STOP_VARIABLE = "ALEXNET_ARCHIVE_POLITE_STOP"
_STOP_AFTER_VARIABLE = "ALEXNET_ARCHIVE_STOP_AFTER"
_RUN_FOLDER_VARIABLE = "ALEXNET_ARCHIVE_RUN_FOLDER"
_COURSE_VARIABLE = "ALEXNET_ARCHIVE_COURSE"
_ENTRIES_VARIABLE = "ALEXNET_ARCHIVE_ENTRIES"


def _say(text="", end="\n"):
    _sys.stdout.write(text + end)


class IGPUModel:
    """A model on boards; every hook below may be overridden, and is called by its name on the instance."""

    def __init__(self, model_name, op, load_dic, filename_options=[], dp_params={}):
        self.model_name = model_name
        self.op = op
        self.options = op.options
        self.load_dic = load_dic
        self.filename_options = filename_options
        self.dp_params = dp_params
        # Boards first: ShowConvNet decides here whether it needs any at all (section 2.1, base 2).
        self.get_gpus()
        self.fill_excused_options()
        for option in op.get_options_list():
            setattr(self, option.name, option.value)
        self._choose_state()
        try:
            self.init_data_providers()
        except DataProviderException as error:
            _say("No data provider: %s" % error)
            self.print_data_providers()
            _sys.exit(1)
        if load_dic:
            # The stored position is the last batch trained.
            self.train_data_provider.advance_batch()
        try:
            self.init_model_state()
        except ModelStateException as error:
            _say(str(error))
            _sys.exit(1)
        for name, value in self.model_state.items():
            setattr(self, name, value)
        self.import_model()
        self.init_model_lib()

    def _choose_state(self):
        if self.load_dic:
            self.model_state = self.load_dic["model_state"]
            source = _mapped(self.options["load_file"].value)
            self.save_file = source if os.path.isdir(source) else os.path.dirname(source)
            self._saved = _line.numbers(_newest(source))
        else:
            self._saved = []
            self.model_state = {"train_outputs": [], "test_outputs": [], "epoch": 1,
                                "batchnum": self.train_batch_range[0]}
            parts = "_".join(["%s_%s" % (name, self.options[name].get_str_value()) for name in self.filename_options])
            self.save_file = os.environ.get(_RUN_FOLDER_VARIABLE) or (
                "%s_%s_%s" % (self.model_name, parts, _time.strftime("%Y-%m-%d_%H.%M.%S")))

    # ---- hooks of construction

    def get_gpus(self):
        """Board numbers by layer index `gpu`: those given, else 0 to num_gpus - 1 (section 2.2); threads not pinned."""
        num_gpus = self.op.get_value("num_gpus")
        given = self.op.get_value("gpu")
        if given and len(given) < num_gpus:
            _say("Option --gpu names %d boards, --num-gpus asks for %d" % (len(given), num_gpus))
            _sys.exit(1)
        # Public relatives store -1 for "any board".
        chosen = bool(given) and min(given) >= 0
        self.device_ids = [int(board) for board in given] if chosen else list(range(num_gpus))
        self.device_cpus = [get_cpus_for_gpu(board) for board in self.device_ids]

    def fill_excused_options(self):
        pass

    def init_data_providers(self):
        self.dp_params["convnet"] = self
        self.test_data_provider = DataProvider.get_instance(
            self.data_path, self.test_batch_range, type=self.dp_type, dp_params=self.dp_params, test=True)
        self.train_data_provider = DataProvider.get_instance(
            self.data_path, self.train_batch_range, self.model_state["epoch"], self.model_state["batchnum"],
            type=self.dp_type, dp_params=self.dp_params, test=False)

    def init_model_state(self):
        pass

    def import_model(self):
        _say(_RULE)
        _say("Extension module _%s" % self.model_name)
        self.libmodel = __import__("_" + self.model_name)

    def init_model_lib(self):
        pass

    # ---- the loop

    def start(self):
        if self.test_only:
            self.test_outputs += [self.get_test_error()]
            self.print_test_results()
            _sys.exit(0)
        self.train()

    def train(self):
        self._print_banner()
        self._listen_for_stop()
        next_data = self.get_next_batch()
        while self.epoch <= self.num_epochs:
            data = next_data
            self.epoch, self.batchnum = data[0], data[1]
            self.print_iteration()
            _sys.stdout.flush()
            started = _time.time()
            self.start_batch(data)
            # The next batch is read while the boards compute.
            next_data = self.get_next_batch()
            batch_output = self.finish_batch()
            self.train_outputs += [batch_output]
            self.print_train_results()
            saving = self.get_num_batches_done() % self.testing_freq == 0
            if saving:
                self.sync_with_host()
                self.test_outputs += [self.get_test_error()]
                self.print_test_results()
                self.print_test_status()
                self.conditional_save()
            self.print_train_time(_time.time() - started)
            _sys.stdout.flush()
            arrived = os.environ.get(_STOP_AFTER_VARIABLE) == "%d.%d" % (self.epoch, self.batchnum)
            if self._stop_asked or arrived:
                if not saving:
                    self.sync_with_host()
                    self.conditional_save()
                _sys.exit(130 if self._stop_asked else 0)
        _sys.exit(0)

    def _listen_for_stop(self):
        """Ctrl-C saves after the batch in hand, where the harness asks for it; else it ends the run as it did in 2012."""
        self._stop_asked = False
        if os.environ.get(_POLITE_STOP_VARIABLE):
            def ask(number, frame):
                self._stop_asked = True
            _signal.signal(_signal.SIGINT, ask)

    def _print_banner(self):
        _say(_RULE)
        _say("Model %s" % self.model_name)
        self.op.print_values()
        _say(_RULE)
        _say("Boards: %s" % ", ".join(str(board) for board in self.device_ids))
        _say("Started: %s" % _time.asctime())
        _say("Checkpoints: %s" % os.path.join(self.save_path, self.save_file))
        _say(_RULE)

    def get_next_batch(self, train=True):
        provider = self.train_data_provider if train else self.test_data_provider
        return _in_one_order(self.parse_batch_data(provider.get_next_batch(), train=train))

    def parse_batch_data(self, batch_data, train=True):
        return batch_data

    def start_batch(self, batch_data, train=True):
        self.libmodel.startBatch(batch_data[2], 0.0, not train)

    def finish_batch(self):
        return self.libmodel.finishBatch()

    def sync_with_host(self):
        self.libmodel.syncWithHost()

    def get_num_batches_done(self):
        """Batches trained since the beginning; counts on a range without gaps (section 2.3)."""
        per_epoch = len(self.train_batch_range)
        return per_epoch * (self.epoch - 1) + self.batchnum - self.train_batch_range[0] + 1

    def get_test_error(self):
        next_data = self.get_next_batch(train=False)
        outputs = []
        while True:
            data = next_data
            self.start_batch(data, train=False)
            more = not self.test_one and data[1] < self.test_batch_range[-1]
            if more:
                next_data = self.get_next_batch(train=False)
            outputs += [self.finish_batch()]
            if self.test_only:
                # test.py of the release parses exactly this (section 2.4).
                _say("batch %d: %s" % (data[1], outputs[-1]))
                _sys.stdout.flush()
            if not more:
                return self.aggregate_test_outputs(outputs)

    def aggregate_test_outputs(self, test_outputs):
        return test_outputs[-1]

    # ---- what is printed

    def print_iteration(self):
        _say("%d.%d... " % (self.epoch, self.batchnum), end="")

    def print_train_results(self):
        self.print_costs(self.train_outputs[-1])

    def print_costs(self, cost_outputs):
        _say("%s " % (cost_outputs,), end="")

    def print_train_time(self, compute_time_py):
        _say("(%.3f sec)" % compute_time_py)

    def print_test_status(self):
        pass

    def print_test_results(self):
        _say()
        _say("---- test")
        self.print_costs(self.test_outputs[-1])
        _say()

    def print_data_providers(self):
        _say("Registered data providers:")
        for name in sorted(dp_types):
            _say("    %s: %s" % (name, dp_types[name]))

    # ---- checkpoints

    def conditional_save(self):
        self.save_state()

    def save_state(self):
        """Write `<epoch>.<batchnum>` into the run's folder, then make room (section 2.6)."""
        for name in self.model_state:
            self.model_state[name] = getattr(self, name)
        folder = _mapped(os.path.join(self.save_path, self.save_file))
        if not os.path.exists(folder):
            os.makedirs(folder)
        saved = "%d.%d" % (self.epoch, self.batchnum)
        numbers = _line.following(folder, _checkpoints(folder), self._saved)
        content = {"model_state": self.model_state, "op": self.op}
        ours = self._own_record()
        if ours:
            content[_EXTENSION] = ours
        pickle(os.path.join(folder, saved), content, compress=self.zip_save, record=_line.record(numbers))
        self._saved = numbers
        self._prune(folder, saved)

    def _own_record(self):
        """The harness's own entry: what it wants kept of the data (class names, places), how many classes have a name where not
        all have, and what it changes by hand during the run, so that a resume can go on with all of them."""
        ours = {}
        if os.environ.get(_ENTRIES_VARIABLE):
            with open(os.environ[_ENTRIES_VARIABLE]) as stream:
                ours.update(_json.load(stream))
        named = self.train_data_provider.batch_meta.get(_NAMED_KEY)
        if named:
            ours[_NAMED_KEY] = named
        if os.environ.get(_COURSE_VARIABLE):
            with open(os.environ[_COURSE_VARIABLE]) as stream:
                ours["course"] = stream.read()
        return ours

    def _prune(self, folder, saved):
        sizes = dict((name, os.path.getsize(os.path.join(folder, name))) for name in _checkpoints(folder))
        for name in _line.in_order(folder, _checkpoints(folder)):
            if name == saved or sum(sizes.values()) <= self.max_filesize_mb * 2 ** 20:
                break
            os.remove(os.path.join(folder, name))
            del sizes[name]

    @staticmethod
    def load_checkpoint(load_dir):
        """The checkpoint in a file, or the newest one of a folder. Raises UnpickleError where there is none."""
        return unpickle(_newest(_mapped(load_dir)))

    # ---- variables beside the fixed ones (late public relatives; section 1.7)

    def set_var(self, name, value):
        self.model_state[name] = value
        setattr(self, name, value)
        return value

    def get_var(self, name):
        return self.model_state[name]

    def has_var(self, name):
        return name in self.model_state

    # ---- options

    @staticmethod
    def get_options_parser():
        op = OptionsParser()
        op.add_option("f", "load_file", StringOptionParser, "Run or checkpoint to start from", default="", excuses=[OptionsParser.EXCUSE_ALL])
        op.add_option("train-range", "train_batch_range", RangeOptionParser, "Batches to train on")
        op.add_option("test-range", "test_batch_range", RangeOptionParser, "Batches to test on")
        op.add_option("data-provider", "dp_type", StringOptionParser, "Data provider", default="default")
        op.add_option("test-freq", "testing_freq", IntegerOptionParser, "Test and save every so many batches", default=25)
        op.add_option("epochs", "num_epochs", IntegerOptionParser, "Last epoch", default=500)
        op.add_option("data-path", "data_path", StringOptionParser, "Folder of batches")
        op.add_option("save-path", "save_path", StringOptionParser, "Folder of runs")
        op.add_option("max-filesize", "max_filesize_mb", IntegerOptionParser,
                      "Room for checkpoints of one run (MB)", default=5000)
        op.add_option("max-test-err", "max_test_err", FloatOptionParser, "Save only below this test error", default=0.0)
        op.add_option("num-gpus", "num_gpus", IntegerOptionParser, "How many boards", default=1)
        op.add_option("gpu", "gpu", ListOptionParser(IntegerOptionParser), "Which boards", default=[])
        op.add_option("test-only", "test_only", BooleanOptionParser, "Only test", default=0)
        op.add_option("test-one", "test_one", BooleanOptionParser, "One batch per test", default=1)
        op.add_option("zip-save", "zip_save", BooleanOptionParser, "Zip checkpoints", default=0)
        return op

    @staticmethod
    def parse_options(op):
        """(options, checkpoint or None): the command line, merged into the options of the checkpoint it names."""
        try:
            load_dic = None
            options = op.parse()
            if options["load_file"].value_given:
                load_dic = IGPUModel.load_checkpoint(options["load_file"].value)
                stored = load_dic["op"]
                stored.merge_from(op)
                op = stored
            op.eval_expr_defaults()
            return op, load_dic
        except OptionException as error:
            _say(str(error))
            op.print_usage()
        except UnpickleError as error:
            _say("No checkpoint: %s" % error)
        _sys.exit(1)


def _in_one_order(batch):
    """The batch; one of a single case is handed over in rows throughout, for the module asserts one order for all matrices.

    Of a matrix with one element nothing tells the order. A lone one is in rows (companion-native section 5.2), in a batch it
    is as the first matrix (python-and-data section 1.9), which the module, seeing one matrix at a time, cannot know. With the
    first in rows as well both hold. Copied, because NumPy says of any column that it is in rows, whatever its strides.
    """
    matrices = batch[2]
    if not isinstance(matrices, list) or any(matrix.shape[1:] != (1,) for matrix in matrices):
        return batch
    return batch[0], batch[1], [n.array(matrix, order="C") for matrix in matrices]


def _checkpoints(folder):
    names = [name for name in os.listdir(folder)
             if not name.startswith(_UNFINISHED_PREFIX) and os.path.isfile(os.path.join(folder, name))]
    return sorted(names, key=alphanum_key)


def _newest(path):
    """The file that a path means: itself, or the checkpoint of a folder that was saved last."""
    if not os.path.isdir(path):
        return path
    names = _line.in_order(path, _checkpoints(path))
    if not names:
        raise UnpickleError("No checkpoint in folder '%s'." % path)
    return os.path.join(path, names[-1])
