# ruff: noqa: E501  the programs under test are given as text
"""The star-import contract of python-and-data section 1.2, one importer at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PARSERS = [f"{kind}OptionParser" for kind in ("Integer", "String", "Boolean", "Float", "List")]
ARRIVES = {
    "convnet": (
        ["util", "data", "options", "gpumodel"],
        ["os", "pickle", "is_kepler_machine", "IGPUModel", "ModelStateException", "DataProvider",
         "DataProviderException", *PARSERS],
    ),
    "convdata": (["data"], ["LabeledDataProvider", "LabeledMemoryDataProvider", "LabeledDummyDataProvider", "unpickle"]),
    "shownet": (["util", "options"], ["n", "pickle", "UnpickleError", *PARSERS]),
    "avg-valid": (["util"], ["unpickle", "n"]),
    "verify-test-preds": (["util"], ["unpickle", "os"]),
    "avg-test": (["util"], ["pickle", "unpickle"]),
    "initw": (["gpumodel"], ["IGPUModel"]),
}  # fmt: skip


@pytest.mark.parametrize("importer", sorted(ARRIVES))
def test_every_name_the_release_uses_arrives(either: Callable[..., str], importer: str) -> None:
    modules, names = ARRIVES[importer]
    code = "".join(f"from {m} import *\n" for m in modules) + "".join(f"{name}\n" for name in names)
    either(code + "import numpy, os as real_os\nassert n is numpy\nassert os is real_os\n")


def test_pickle_stays_the_function_and_bound_names_survive(either: Callable[..., str]) -> None:
    either(
        "import numpy as n, numpy.random as nr, random as r, math as m, getopt as opt, sys\n"
        "from time import time\nfrom getopt import getopt\nfrom math import sqrt, ceil, floor\n"
        "lay = ConvNet = object()\n"
        "before = dict(globals())\n"
        "from util import *\nfrom data import *\nfrom options import *\nfrom gpumodel import *\n"
        "for name in ('n', 'nr', 'r', 'm', 'opt', 'time', 'getopt', 'sqrt', 'ceil', 'floor', 'lay', 'ConvNet', 'sys'):\n"
        "    assert globals()[name] is before[name], name\n"
        "pickle('out.bin', {'a': 1})\nassert unpickle('out.bin') == {'a': 1}\n"
    )


def test_layer_py_gets_its_two_names_and_shownet_its_image(either: Callable[..., str]) -> None:
    either(
        "from ordereddict import OrderedDict\nfrom options import OptionsParser\nimport Image\n"
        "assert list(OrderedDict([('b', 1), ('a', 2)])) == ['b', 'a']\n"
        "assert OptionsParser._longest_value([StopIteration, None], key=lambda v: v and v.__name__) == 13\n"
        "assert OptionsParser._bold('x') == '\\x1b[1mx\\x1b[0m'\n"
    )


def test_ziparchive_gzip_and_plain_are_told_apart_by_content(either: Callable[..., str]) -> None:
    either(
        "from util import *\nimport gzip\n"
        "value = {'data': n.arange(6, dtype=n.float32).reshape(2, 3).T, 'text': 'caf\\xe9'}\n"
        "pickle('plain', value); pickle('zipped', value, True)\n"
        "open_gz = gzip.open('gzipped', 'wb'); open_gz.write(open('plain', 'rb').read()); open_gz.close()\n"
        "assert open('zipped', 'rb').read(4) == b'PK\\x03\\x04'\n"
        "for name in ('plain', 'zipped', 'gzipped'):\n"
        "    back = unpickle(name)\n"
        "    assert (back['data'] == value['data']).all() and back['data'].flags.f_contiguous and back['text'] == value['text']\n"
        "try:\n    unpickle('absent')\nexcept UnpickleError:\n    print('told')\n"
    )


def test_a_save_that_fails_keeps_the_old_file_and_leaves_nothing(either: Callable[..., str]) -> None:
    out = either(
        "from util import *\npickle('state', 1)\n"
        "try:\n    pickle('state', {'a': n.zeros(3), 'f': lambda: 0})\n"
        "except Exception:\n    print(unpickle('state'), sorted(os.listdir('.')))\n"
    )
    assert out == "1 ['state']\n"


def test_private_paths_are_mapped_by_longest_prefix(either: Callable[..., str]) -> None:
    out = either(
        "from util import *\nos.makedirs('new/deep')\n"
        "pickle('/storage2/imnet-contest/x', 1); pickle('/storage2/other/y', 2)\n"
        "print(sorted(os.listdir('new')), sorted(os.listdir('new/deep')), unpickle('new/deep/x'), unpickle('/storage2/other/y'))\n"
        "try:\n    unpickle('/storage20/y')\nexcept UnpickleError:\n    print('whole folders only')\n",
        environment={"ALEXNET_ARCHIVE_PATH_MAP": "/storage2/other=new:/storage2/imnet-contest=new/deep"},
    )
    assert out == "['deep', 'y'] ['x'] 1 2\nwhole folders only\n"


def test_no_lock_server_and_no_pinning(either: Callable[..., str]) -> None:
    out = either("from util import *\nprint(get_gpu_lock(), get_gpu_lock(3), get_cpus_for_gpu(0), is_kepler_machine())")
    assert out == "-2 3 [-1] False\n"
    env = {"ALEXNET_ARCHIVE_KEPLER": "1"}
    assert either("from util import *\nprint(is_kepler_machine())", environment=env) == "True\n"
