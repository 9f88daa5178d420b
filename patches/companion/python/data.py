"""Stands for the private module `data` of the 2012 release; written from python-and-data section 1.6.

Star-imported by the four convdata modules and by convnet.py, to which it passes on `unpickle`. Checked under
Python 2.7 and 3 on batch files written by both.
"""

from util import *

BATCH_META_FILE = "batches.meta"
_CLASSES_VARIABLE = "ALEXNET_ARCHIVE_CLASSES"
_NAMED_KEY = "named_classes"

dp_types = {"default": "whole batches, read when their turn comes",
            "memory": "whole batches, all read at the start",
            "labeled": "as default, with the number of classes",
            "labeled-memory": "as memory, with labels as columns",
            "dummy-n": "random numbers, n of them per case",
            "dummy-labeled-n": "random numbers and classes, n numbers per case"}
dp_classes = {}


class DataProviderException(Exception):
    """A data folder, a batch or a provider name that cannot be used."""


class DataProvider:
    """Hands out the batches of a folder, in the order of a range, over and over; counts the rounds as epochs."""

    BATCH_REGEX = re.compile(r"^data_batch_(\d+)(\.\d+)?$")

    def __init__(self, data_dir, batch_range=None, init_epoch=1, init_batchnum=None, dp_params={}, test=False):
        if batch_range is None:
            batch_range = DataProvider.get_batch_nums(data_dir)
        if not batch_range:
            raise DataProviderException("Folder %s and the range leave no batch to read" % data_dir)
        if init_batchnum is None or init_batchnum not in batch_range:
            init_batchnum = batch_range[0]
        self.data_dir = data_dir
        self.batch_range = batch_range
        self.curr_epoch = init_epoch
        self.curr_batchnum = init_batchnum
        self.batch_idx = batch_range.index(init_batchnum)
        self.dp_params = dp_params
        self.batch_meta = self.get_batch_meta(data_dir)
        self.data_dic = None
        self.test = test

    def get_next_batch(self):
        """(epoch, batch number, whatever the file holds). Always a fresh load: a released provider changes what it gets."""
        self.data_dic = self.get_batch(self.curr_batchnum)
        epoch, batchnum = self.curr_epoch, self.curr_batchnum
        self.advance_batch()
        return epoch, batchnum, self.data_dic

    def get_batch(self, batch_num):
        path = self.get_data_file_name(batch_num)
        if not os.path.exists(path + ".1"):
            return unpickle(path)
        parts = []
        while os.path.exists("%s.%d" % (path, len(parts) + 1)):
            parts.append(unpickle("%s.%d" % (path, len(parts) + 1)))
        joined = dict(parts[0])
        joined["data"] = n.concatenate([part["data"] for part in parts])
        return joined

    def get_data_file_name(self, batchnum=None):
        """The full path: loader threads of the release open it as it is."""
        return os.path.join(self.data_dir, "data_batch_%d" % (self.curr_batchnum if batchnum is None else batchnum))

    def get_data_dims(self, idx=0):
        return self.batch_meta["num_vis"]

    def advance_batch(self):
        self.batch_idx = self.get_next_batch_idx()
        self.curr_batchnum = self.batch_range[self.batch_idx]
        if self.batch_idx == 0:
            self.curr_epoch += 1

    def get_next_batch_idx(self):
        return (self.batch_idx + 1) % len(self.batch_range)

    def get_next_batch_num(self):
        return self.batch_range[self.get_next_batch_idx()]

    @classmethod
    def get_instance(cls, data_dir, batch_range=None, init_epoch=1, init_batchnum=None, type="default", dp_params={},
                     test=False):
        """Make the provider registered as `type`; `dummy-NAME-D` is NAME-n with D dimensions and no folder."""
        type = type or DataProvider.get_batch_meta(data_dir)["dp_type"]
        if type.startswith("dummy-"):
            name, _, dims = type.rpartition("-")
            if name + "-n" not in dp_classes or not dims.isdigit():
                raise DataProviderException("Nothing is registered for data provider %s" % type)
            return dp_classes[name + "-n"](int(dims))
        if type not in dp_classes:
            raise DataProviderException("Nothing is registered for data provider %s" % type)
        return dp_classes[type](data_dir, batch_range, init_epoch, init_batchnum, dp_params, test)

    @classmethod
    def register_data_provider(cls, name, desc, _class):
        # The release registers while it builds its options; doing that twice is no contradiction (section 1.6.1).
        if dp_classes.get(name, _class) is not _class:
            raise DataProviderException("Another class is registered as data provider %s" % name)
        dp_types[name] = desc
        dp_classes[name] = _class

    @staticmethod
    def get_batch_meta(data_dir):
        return _declare_unused(unpickle(os.path.join(data_dir, BATCH_META_FILE)))

    @staticmethod
    def get_batch_filenames(srcdir):
        return sorted([name for name in os.listdir(srcdir) if DataProvider.BATCH_REGEX.match(name)], key=alphanum_key)

    @staticmethod
    def get_batch_nums(srcdir):
        names = DataProvider.get_batch_filenames(srcdir)
        return sorted(set(int(DataProvider.BATCH_REGEX.match(name).group(1)) for name in names))

    @staticmethod
    def get_num_batches(srcdir):
        return len(DataProvider.get_batch_nums(srcdir))


def _declare_unused(meta):
    """More classes than the folder names, where the environment asks for them: a network may have units for more."""
    names = meta.get("label_names")
    wanted = int(os.environ.get(_CLASSES_VARIABLE) or 0)
    if names and len(names) < wanted:
        meta[_NAMED_KEY] = len(names)
        meta["label_names"] = list(names) + ["unused class %d" % number for number in range(len(names), wanted)]
    return meta


class MemoryDataProvider(DataProvider):
    """All batches of the range, read once."""

    def __init__(self, data_dir, batch_range=None, init_epoch=1, init_batchnum=None, dp_params={}, test=False):
        DataProvider.__init__(self, data_dir, batch_range, init_epoch, init_batchnum, dp_params, test)
        self.data_dic = [self.get_batch(number) for number in self.batch_range]

    def get_next_batch(self):
        epoch, batchnum = self.curr_epoch, self.curr_batchnum
        self.advance_batch()
        return epoch, batchnum, self.data_dic[batchnum - self.batch_range[0]]


class LabeledDataProvider(DataProvider):
    """A provider that knows how many classes there are."""

    def get_num_classes(self):
        return len(self.batch_meta["label_names"])


class LabeledMemoryDataProvider(LabeledDataProvider):
    """All batches of the range, read once; `labels` become single-precision columns (N, 1)."""

    def __init__(self, data_dir, batch_range=None, init_epoch=1, init_batchnum=None, dp_params={}, test=False):
        LabeledDataProvider.__init__(self, data_dir, batch_range, init_epoch, init_batchnum, dp_params, test)
        self.data_dic = []
        for number in self.batch_range:
            batch = self.get_batch(number)
            labels = n.array(batch["labels"])
            batch["labels"] = n.require(labels.reshape(labels.size, 1), dtype=n.single, requirements="C")
            self.data_dic.append(batch)

    def get_next_batch(self):
        epoch, batchnum = self.curr_epoch, self.curr_batchnum
        self.advance_batch()
        return epoch, batchnum, self.data_dic[batchnum - self.batch_range[0]]


class DummyDataProvider(DataProvider):
    """Random numbers instead of files: one batch of 512 cases."""

    def __init__(self, data_dim):
        self.data_dir = ""
        self.batch_range = [1]
        self.batch_idx = 0
        self.curr_epoch = 1
        self.curr_batchnum = 1
        self.dp_params = {}
        self.test = False
        self.data_dic = None
        self.num_cases = 512
        self.batch_meta = {"num_vis": data_dim, "data_in_rows": True}

    def get_next_batch(self):
        # The public relatives report the epoch after advancing, so the first one seen is 2 (section 1.6.2).
        self.advance_batch()
        data = n.require(n.random.rand(self.num_cases, self.get_data_dims()), dtype=n.single, requirements="C")
        return self.curr_epoch, self.curr_batchnum, {"data": data}


class LabeledDummyDataProvider(DummyDataProvider):
    """Random numbers and random classes."""

    def __init__(self, data_dim, num_classes=10, num_cases=512):
        DummyDataProvider.__init__(self, data_dim)
        self.num_classes = num_classes
        self.num_cases = num_cases
        self.batch_meta["label_names"] = [str(label) for label in range(num_classes)]

    def get_num_classes(self):
        return self.num_classes

    def get_next_batch(self):
        epoch, batchnum, batch = DummyDataProvider.get_next_batch(self)
        labels = n.random.randint(0, self.num_classes, (self.num_cases, 1))
        batch["labels"] = n.require(labels, dtype=n.single, requirements="C")
        return epoch, batchnum, batch


for _name, _class in (("default", DataProvider), ("memory", MemoryDataProvider), ("labeled", LabeledDataProvider),
                      ("labeled-memory", LabeledMemoryDataProvider), ("dummy-n", DummyDataProvider),
                      ("dummy-labeled-n", LabeledDummyDataProvider)):
    DataProvider.register_data_provider(_name, dp_types[_name], _class)
