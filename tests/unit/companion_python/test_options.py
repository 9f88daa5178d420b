"""Options: parsers, presence rules, merging, and the classes as pickled (python-and-data section 1.5)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.companion_python.conftest import MODULES

TABLE = """
import sys
from options import *
def table():
    op = OptionsParser()
    op.add_option('f', 'load_file', StringOptionParser, 'Load', default='', excuses=[OptionsParser.EXCLUDE_ALL])
    op.add_option('data-path', 'data_path', StringOptionParser, 'Data')
    op.add_option('check-grads', 'check', BooleanOptionParser, 'Check', default=0, excuses=['data_path'])
    op.add_option('test-out', 'test_out', StringOptionParser, 'Out', default='', requires=['logreg', 'nothing-of-this-name'])
    op.add_option('logreg-name', 'logreg', StringOptionParser, 'Logreg', default='')
    op.add_option('mini', 'mini', IntegerOptionParser, 'Mini', default=128, set_once=True)
    op.add_option('num', 'num', IntegerOptionParser, 'Num', default=2)
    op.add_option('gpu', 'gpu', ListOptionParser(IntegerOptionParser), 'GPU', default=OptionExpression('[-1] * num'))
    op.add_option('range', 'range', RangeOptionParser, 'Range', default=[1])
    op.add_option('noise', 'noise', FloatOptionParser, 'Noise', default=0.0, save=False)
    return op
def read(*arguments):
    sys.argv = ['prog'] + list(arguments)
    op = table()
    op.parse(eval_expr_defaults=True)
    return op
"""


def test_values_defaults_and_expressions(either: Callable[..., str]) -> None:
    out = either(
        TABLE + "op = read('--data-path', 'x', '--range=3-5', '--num=3', '--noise', '.25', '--mini=7', '--mini=8')\n"
        "print([op.get_value(k) for k in ('data_path', 'range', 'num', 'gpu', 'noise', 'mini', 'check')])\n"
        "op.set_value('range', '9'); op.set_value('num', 'raw', parse=False)\n"
        "print(op.get_value('range'), op.get_value('num'))\n"
        "op.delete_option('num'); op.delete_option('never there')\n"
        "try:\n    op.get_value('num')\nexcept KeyError:\n    print('gone')\n"
    )
    assert out == "['x', [3, 4, 5], 3, [-1, -1, -1], 0.25, 8, 0]\n[9] raw\ngone\n"


def test_unambiguous_prefixes_and_getopt_errors(either: Callable[..., str]) -> None:
    out = either(
        TABLE + "import getopt\nprint(read('--data', 'x').get_value('data_path'))\n"
        "try:\n    read('--absent=1')\nexcept getopt.GetoptError:\n    print('getopt error')\n"
    )
    assert out == "x\ngetopt error\n"


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ([], "--data-path"),
        (["--num=1"], "--data-path"),
        (["--check-grads=0"], None),
        (["-f", ""], None),
        (["--data-path=x", "--test-out=y"], "--logreg-name"),
        (["--data-path=x", "--test-out=y", "--logreg-name=z"], None),
        (["-f", "x", "--test-out=y"], "--logreg-name"),
    ],
)
def test_mandatory_excused_required(either: Callable[..., str], arguments: list[str], missing: str | None) -> None:
    out = either(TABLE + f"read(*{arguments!r})\nprint('all there')")
    if missing is None:
        assert out == "all there\n"
    else:
        assert out.startswith("Missing") and missing in out.splitlines()[0]
        assert "Options of prog" in out


@pytest.mark.parametrize("bad", ["--num=a", "--check-grads=yes", "--range=5-3", "--range=a-b", "--noise=x", "--gpu=1,a"])
def test_bad_values_name_the_option(either: Callable[..., str], bad: str) -> None:
    out = either(TABLE + f"try:\n    read('--data-path=x', {bad!r})\nexcept OptionException as error:\n    print(error)")
    assert bad.split("=")[0] in out


def test_merging_a_command_line_into_a_checkpoint(either: Callable[..., str]) -> None:
    out = either(
        TABLE + "stored = read('--data-path=old', '--num=5', '--mini=64', '--noise=0.1')\n"
        "newer = read('-f', 'x', '--num=6', '--mini=32')\n"
        "newer.add_option('fresh', 'fresh', StringOptionParser, 'Fresh', default='new'); newer.options['fresh'].set_default()\n"
        "stored.merge_from(newer)\n"
        "print([stored.get_value(k) for k in ('data_path', 'num', 'mini', 'noise', 'fresh')])\n"
    )
    notice, values = out.splitlines()
    assert notice.startswith("--mini") and notice.endswith("stays 64")
    assert values == "['old', 6, 64, 0.0, 'new']"


def test_printing_marks_untouched_defaults(either: Callable[..., str]) -> None:
    lines = either(TABLE + "read('--data-path=x').print_values()").splitlines()
    assert [line.split(":")[0].strip() for line in lines] == sorted(line.split(":")[0].strip() for line in lines)
    assert {line.split(":")[0].strip() for line in lines if "(default)" not in line} == {"Data"}


def test_duplicate_names_are_an_error(either: Callable[..., str]) -> None:
    code = (
        "op = table()\ntry:\n    op.add_option('q', 'num', StringOptionParser, 'x')\nexcept OptionException:\n    print('told')"
    )
    assert either(TABLE + code) == "told\n"


@pytest.mark.python2
def test_instances_are_old_style_under_python_2(python2: Callable[..., str]) -> None:
    out = python2(
        "import types, options, data, pickle, pickletools\n"
        "print [type(c) is types.ClassType for c in (options.OptionsParser, options.Option, options.OptionExpression, "
        "options.ListOptionParser, options.IntegerOptionParser, data.DataProvider)]\n"
        "op = options.OptionsParser(); op.add_option('x', 'x', options.IntegerOptionParser, 'd', default=1)\n"
        "print sorted(set(o[0].name for o in pickletools.genops(pickle.dumps(op, 2))) & set(['OBJ', 'NEWOBJ']))",
        path=str(MODULES),
    )
    assert out == "[True, True, True, True, True, True]\n['OBJ']\n"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 200))
def test_ranges_survive_a_round_trip(first: int, extra: int) -> None:
    parser = _options().RangeOptionParser
    values = parser.parse(f"{first}-{first + extra}")
    assert values == list(range(first, first + extra + 1))
    assert parser.parse(parser.to_string(values)) == values


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=6))
def test_lists_survive_a_round_trip(values: list[int]) -> None:
    module = _options()
    parser = module.ListOptionParser(module.IntegerOptionParser)
    assert parser.parse(parser.to_string(values)) == values


def test_a_list_of_parsers_fixes_the_length() -> None:
    module = _options()
    parser = module.ListOptionParser([module.IntegerOptionParser, module.StringOptionParser], sepchar=":")
    assert parser.parse("3:x") == [3, "x"]
    with pytest.raises(module.OptionException):
        parser.parse("3")


def _options():  # type: ignore[no-untyped-def]
    import importlib.util

    spec = importlib.util.spec_from_file_location("companion_options", MODULES / "options.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_in_the_modules_is_python_2_only() -> None:
    for path in sorted(Path(MODULES).glob("*.py")):
        subprocess.run([sys.executable, "-c", f"compile(open({str(path)!r}).read(), {path.name!r}, 'exec')"], check=True)
