# ruff: noqa: E501  the programs under test are given as text
"""Data providers of the companion (python-and-data section 1.6), on folders written by the interpreter that reads them."""

from __future__ import annotations

from collections.abc import Callable

FOLDER = """
from data import *
def folder(numbers=(1, 2, 3)):
    os.makedirs('d')
    pickle('d/batches.meta', {'num_vis': 4, 'label_names': ['a', 'b'], 'dp_type': 'labeled'})
    for k in numbers:
        pickle('d/data_batch_%d' % k, {'data': n.full((4, 2), k, dtype=n.float32), 'labels': [0, 1]})
from util import pickle
"""


def test_batches_come_in_range_order_and_rounds_are_counted(either: Callable[..., str]) -> None:
    out = either(
        FOLDER + "folder((1, 2, 10))\n"
        "print(DataProvider.get_batch_nums('d'), DataProvider.get_num_batches('d'))\n"
        "dp = DataProvider.get_instance('d', None, type=None)\n"
        "print(dp.__class__.__name__, dp.get_num_classes(), dp.get_data_dims(), dp.get_data_file_name(), dp.get_next_batch_num())\n"
        "print([dp.get_next_batch()[:2] for _ in range(5)])\n"
        "dp = DataProvider('d', [2, 10], 4, 10, {}, False)\n"
        "print([dp.get_next_batch()[:2] for _ in range(3)])\n"
        "print(DataProvider('d', [2, 10], 4, 77).curr_batchnum)\n"
    )
    assert out.splitlines() == [
        "[1, 2, 10] 3",
        "LabeledDataProvider 2 4 d/data_batch_1 2",
        "[(1, 1), (1, 2), (1, 10), (2, 1), (2, 2)]",
        "[(4, 10), (5, 2), (5, 10)]",
        "2",
    ]


def test_classes_beyond_those_named_are_declared_where_the_environment_asks(either: Callable[..., str]) -> None:
    out = either(
        FOLDER + "folder()\nseen = []\n"
        "for wanted in (None, '', '1', '2', '4'):\n"
        "    os.environ.pop('ALEXNET_ARCHIVE_CLASSES', None)\n"
        "    if wanted is not None: os.environ['ALEXNET_ARCHIVE_CLASSES'] = wanted\n"
        "    dp = DataProvider.get_instance('d', None, type=None)\n"
        "    seen.append((dp.get_num_classes(), dp.batch_meta.get('named_classes'), dp.batch_meta['label_names'][-1]))\n"
        "print(seen)\n"
        "print(sorted(unpickle('d/batches.meta')), unpickle('d/batches.meta')['label_names'])\n"
    )
    assert out.splitlines() == [
        "[(2, None, 'b'), (2, None, 'b'), (2, None, 'b'), (2, None, 'b'), (4, 2, 'unused class 3')]",
        "['dp_type', 'label_names', 'num_vis'] ['a', 'b']",
    ]


def test_one_batch_range_is_read_anew_each_time(either: Callable[..., str]) -> None:
    out = either(
        FOLDER + "folder()\ndp = DataProvider('d', [2], 1, 2)\n"
        "first = dp.get_next_batch()[2]; first['data'] = None\nprint(dp.get_next_batch()[2]['data'].sum())"
    )
    assert out == "16.0\n"


def test_parts_of_a_batch_are_joined_by_rows(either: Callable[..., str]) -> None:
    out = either(
        FOLDER + "folder(())\n"
        "for k in (1, 2): pickle('d/data_batch_7.%d' % k, {'data': n.full((2, 3), k), 'labels': [1]})\n"
        "dp = DataProvider('d')\nprint(dp.batch_range, dp.get_next_batch()[2]['data'][:, 0].tolist())"
    )
    assert out == "[7] [1, 1, 2, 2]\n"


def test_labeled_memory_columns_and_dummies(either: Callable[..., str]) -> None:
    out = either(
        FOLDER + "folder()\ndp = DataProvider.get_instance('d', [2, 3], type='labeled-memory')\n"
        "epoch, number, batch = dp.get_next_batch()\n"
        "print(epoch, number, batch['labels'].shape, batch['labels'].dtype, isinstance(dp.data_dic, list))\n"
        "dummy = DataProvider.get_instance('', type='dummy-labeled-12')\n"
        "epoch, number, batch = dummy.get_next_batch()\n"
        "print(epoch, number, batch['data'].shape, batch['data'].dtype, batch['labels'].shape, dummy.get_num_classes())\n"
        "print(dummy.batch_range, dummy.batch_idx, dummy.batch_meta['data_in_rows'])\n"
    )
    assert out.splitlines() == ["1 2 (2, 1) float32 True", "2 1 (512, 12) float32 (512, 1) 10", "[1] 0 True"]


def test_registration_and_unknown_names(either: Callable[..., str]) -> None:
    out = either(
        FOLDER + "class Mine(DataProvider):\n    pass\n"
        "DataProvider.register_data_provider('mine', 'x', Mine); DataProvider.register_data_provider('mine', 'x', Mine)\n"
        "for action in (lambda: DataProvider.register_data_provider('mine', 'x', DataProvider),\n"
        "               lambda: DataProvider.get_instance('', type='absent'),\n"
        "               lambda: DataProvider.get_instance('', type='dummy-mine-x')):\n"
        "    try:\n        action()\n    except DataProviderException:\n        print('told')\n"
    )
    assert out == "told\n" * 3
