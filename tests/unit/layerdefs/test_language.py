"""The tables of the language: the parser reads by them, every key is explained, every example parses, the page is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alexnet_archive.errors import LayerFileError, UserInputError
from alexnet_archive.layerdefs import DataShape
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.definition import PARSERS
from alexnet_archive.layerdefs.ini import IniFile
from alexnet_archive.layerdefs.language import KINDS, Key, layer_kinds, parameter_groups, topics
from alexnet_archive.layerdefs.language.describe import explain, type_facts
from alexnet_archive.layerdefs.sections import SectionReader
from alexnet_archive.layerdefs.settings import Parameters, camel
from tests.docs.layer_language import DEFINITION, PAGE, PARAMETERS, page
from tests.unit.layerdefs.layerfiles import SHAPE, problems

TREE = DataShape(SHAPE.dims, 10, tree=[[]] * 10 + [[0, 1], [2, 10]], root_label=11)
EVERY_KEY = [(name, key["file"], key["name"]) for name, kind in layer_kinds().items() for key in type_facts(kind)["keys"]]


def with_lines(section: str, lines: str) -> str:
    """The section of an example with further lines; a key that stands there already is replaced, as in any layer file."""
    return section.rstrip() + "\n" + lines + "\n"


def hung(name: str, *, definition: str = "", parameters: str = "") -> tuple[str, str]:
    """The documented net with a type's example (and further lines) hung into it."""
    kind = layer_kinds()[name]
    (section,) = re.findall(r"^\[(.*)\]$", kind.example, flags=re.M)
    text = DEFINITION + "\n" + with_lines(kind.example, definition)
    rates = PARAMETERS + "\n" + with_lines(kind.parameters_example or f"[{section}]", parameters)
    if not name.startswith("cost.") and section not in ("data",):
        text += f"[reader]\ntype=cost.sum2\ninputs={section}\ngpu=0\n"
        rates += "[reader]\ncoeff=1\n"
    return text, rates


def found(name: str, **lines: str) -> list[str]:
    """What is wrong with, or remarked about, the example."""
    functions = ("initWFunc", "initBFunc", "initCFunc")
    wrong = problems(*hung(name, **lines), shape=TREE, num_gpus=1)
    # the functions of the examples lie in no file, which is said of nothing else
    return [str(p) for p in wrong if not (p.key in functions and "cannot be loaded" in p.message)]


@pytest.mark.parametrize("name", layer_kinds())
def test_the_example_of_every_type_parses(name: str) -> None:
    assert found(name) == []


@pytest.mark.parametrize(("name", "file", "key"), EVERY_KEY)
def test_every_key_is_explained_and_its_example_parses(name: str, file: str, key: str) -> None:
    (facts,) = [one for one in explain(name, key)["keys"] if one["file"] == file]
    assert len(facts["means"]) > 15 and facts["spec"] and facts["kind"] in KINDS.values()
    assert re.search(rf"^{key}=", facts["example"], flags=re.M), "the example does not show the key"
    only = facts["only"].split("=") if "=" in facts["only"] else []
    where = {"definition": facts["example"]}
    if file == "parameter":
        where = {"definition": "=".join(only) + "\n" if only else "", "parameters": facts["example"]}
    if key == "inputs":
        return  # shown by the example of the type
    assert found(name, **where) == []


def test_the_tables_are_all_that_a_parser_can_ask_for() -> None:
    read = SectionReader(IniFile("x.cfg", {"x": {"secret": "1"}}), "x", Collector(), layer_kinds()["fc"].keys)
    with pytest.raises(KeyError):
        read.get("secret")


def test_every_type_has_a_parser_and_every_parameter_a_field() -> None:
    assert {"data", *PARSERS} == set(layer_kinds())
    keys = {name: key for group in parameter_groups() for name, key in group.keys.items()}
    fields = {camel(name) for name in Parameters.__dataclass_fields__}
    assert {name for name, key in keys.items() if key.kind != "relic"} == fields


@pytest.mark.parametrize(("name", "file", "key"), [row for row in EVERY_KEY if row[1] == "definition"])
def test_required_keys_are_missed_and_optional_ones_are_not(name: str, file: str, key: str) -> None:
    row = layer_kinds()[name].keys[key]
    kind = layer_kinds()[name]
    text, rates = hung(name)
    without = re.sub(rf"^{key}=.*\n", "", kind.example, flags=re.M)
    wrong = [p for p in problems(text.replace(kind.example, without), rates, shape=TREE, num_gpus=1) if p.key == key]
    if row.required:
        assert any("absent" in p.message for p in wrong)
    else:
        assert not any("absent" in p.message for p in wrong)


def test_limits_are_taken_from_the_row() -> None:
    row = Key(name="keep", kind="number", means="", spec="", above=0, most=1)
    assert [row.complaint(v) is None for v in (0, 1e-9, 1, 1.5, float("nan"))] == [False, True, True, False, False]
    least = Key(name="stride", kind="integers", means="", spec="", least=1)
    assert [least.complaint(v) is None for v in ((1, 2), (1, 0))] == [True, False]
    assert least.complaint((0,)) == "every element must be at least 1"


def test_a_damaged_table_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from alexnet_archive.layerdefs import language

    monkeypatch.setattr(language, "FOLDER", tmp_path)
    row = '[groups]\n[types.x]\ndoes="d"\noutputs="o"\nspec="1"\nexample=""\ncommon=false\n'
    for broken, said in ((row + "input=1\n", "did you mean inputs"), (row.replace('does="d"\n', ""), "does"),
                         (row + '[types.x.keys.k]\nkind="integr"\nmeans=""\nspec=""\n', "unknown kind")):  # fmt: skip
        (tmp_path / "definition.toml").write_text(broken)
        with pytest.raises(LayerFileError, match=said):
            language.layer_kinds.__wrapped__()


def test_unknown_names_get_the_nearest() -> None:
    for arguments, hint in ((("conf",), "conv"), (("logreg",), "cost.logreg"), (("conv", "paddng"), "padding")):
        with pytest.raises(UserInputError, match=f"did you mean {re.escape(hint)}"):
            explain(*arguments)
    with pytest.raises(UserInputError):
        explain("neurons", "relu")
    assert set(topics()) >= {"neurons", "schedules", "sharing", "initialisers", "sixteen"}


def test_the_page_regenerates_unchanged() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
