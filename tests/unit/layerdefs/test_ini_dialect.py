"""The ini dialect line by line. Checked against layer-language section 1.1; examples are the specification's."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.ini import IniFile, InterpolationError, escape_value, parse_ini


def parse(text: str | bytes, *, lenient: bool = False) -> tuple[IniFile, Collector]:
    collector = Collector()
    return parse_ini(text if isinstance(text, bytes) else text.encode("latin-1"), "f", collector, lenient=lenient), collector


ACCEPTED = {
    "colon": ("[a]\nk:v", {"k": "v"}),
    "first separator counts": ("[a]\nk=v=w:x", {"k": "v=w:x"}),
    "keys in lower case": ("[a]\ninitW=1\nINITW = 2", {"initw": "2"}),
    "key is right-stripped": ("[a]\nk \t = v \t", {"k": "v"}),
    "carriage returns": ("[a]\r\nk=v\r\n", {"k": "v"}),
    "hash is never inline": ("[a]\nk=v #c", {"k": "v #c"}),
    "inline semicolon": ("[a]\nk=v ;c", {"k": "v"}),
    "semicolon without blank": ("[a]\nk=v;c", {"k": "v;c"}),
    "only the first semicolon": ("[a]\nk=a; b ; c", {"k": "a; b ; c"}),
    "value that starts with semicolon": ("[a]\nk= ;c", {"k": ";c"}),
    "the same with a trailing blank": ("[a]\nk= ;c ", {"k": ""}),
    "the same with CRLF": ("[a]\r\nk=;c\r\n", {"k": ""}),
    "two quotes": ('[a]\nk=""', {"k": ""}),
    "other quotes stay": ('[a]\nk="b"', {"k": '"b"'}),
    "comments": ("#x\n;y\nrem z\nREM\n[a]\nk=v", {"k": "v"}),
    "REMx is an option": ("[a]\nREMx=2", {"remx": "2"}),
    "rem= is no comment": ("[a]\nrem=2", {"rem": "2"}),
    "continuation": ("[a]\nk=v\n  w", {"k": "v\nw"}),
    "indented option is a continuation": ("[a]\nk=v\n l=w", {"k": "v\nl=w"}),
    "indented comment is a continuation": ("[a]\nk=v\n # w", {"k": "v\n# w"}),
    "blank and comment lines do not end it": ("[a]\nk=v\n\n# c\n w", {"k": "v\nw"}),
    "later value wins": ("[a]\nk=1\nk=2", {"k": "2"}),
    "reopened section": ("[a]\nk=1\n[b]\nz=0\n[a]\nl=2", {"k": "1", "l": "2"}),
    "text after the bracket": ("[a] whatever = 3\nk=1", {"k": "1"}),
    "no-break space is no blank": ("[a]\nk=v\xa0", {"k": "v\xa0"}),
    "empty value": ("[a]\nk=", {"k": ""}),
}


@pytest.mark.parametrize("text, expected", ACCEPTED.values(), ids=ACCEPTED)
def test_values(text: str, expected: dict[str, str]) -> None:
    ini, collector = parse(text)
    assert not collector.problems
    assert ini.sections["a"] == expected


REFUSED = {
    "option before any section": "k=v\n[a]\n",
    "byte-order mark": b"\xef\xbb\xbf[a]\nk=v\n",
    "empty brackets": "[]\nk=v\n",
    "indented first line": " [a]\nk=v\n",
    "bare word": "[a]\nword\n",
    "line starting with =": "[a]\n=v\n",
    "line starting with :": "[a]\n:v\n",
    "indented line after a header": "[a]\n  k=v\n",
    "unclosed header": "[a\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refused_lines(text: str | bytes) -> None:
    _, collector = parse(text)
    assert collector.problems
    assert {p.kind for p in collector.problems} == {"U"}


def test_section_names_are_kept_as_they_stand() -> None:
    ini, _ = parse("[ a ]\nk=1\n[a[b]]\nk=2\n[A]\nk=3\n[default]\nk=4\n")
    assert list(ini.sections) == [" a ", "a[b", "A", "default"]


def test_reopened_section_keeps_its_first_place() -> None:
    ini, _ = parse("[a]\nx=1\n[b]\nx=1\n[a]\nx=2\n")
    assert list(ini.sections) == ["a", "b"]


def test_default_section_is_seen_everywhere_and_is_no_layer() -> None:
    ini, _ = parse("[DEFAULT]\nk=1\n[a]\n[b]\nk=2\n")
    assert list(ini.sections) == ["a", "b"]
    assert (ini.get("a", "K"), ini.get("b", "k")) == ("1", "2")


def test_interpolation() -> None:
    ini, _ = parse("[DEFAULT]\nn=7\n[a]\nk=%(N)s%%%(m)s\nm=x%(n)s\n")
    assert ini.get("a", "k") == "7%x7"


@pytest.mark.parametrize("value", ["%", "a%b", "%(unknown)s", "%(k)s", "%(open", "%()s"])
def test_bad_interpolation_fails_only_when_read(value: str) -> None:
    ini, collector = parse(f"[a]\nk={value}\nother=1\n")
    assert not collector.problems
    assert ini.get("a", "other") == "1"
    with pytest.raises(InterpolationError):
        ini.get("a", "k")


@pytest.mark.parametrize("length, works", [(9, True), (10, True), (11, False), (12, False)])
def test_interpolation_depth(length: int, works: bool) -> None:
    """A chain of `length` values that each name the next; the last one is plain text with an escaped percent."""
    chain = "".join(f"k{i}=%(k{i + 1})s\n" for i in range(1, length)) + f"k{length}=%%\n"
    ini, _ = parse("[a]\n" + chain)
    if works:
        assert ini.get("a", "k1") == "%"
    else:
        with pytest.raises(InterpolationError):
            ini.get("a", "k1")


def test_lenient_reading_skips_stray_text_and_says_so() -> None:
    ini, collector = parse("an editor's backup\n[a]\nk=1\n", lenient=True)
    assert not collector.problems
    assert ini.sections == {"a": {"k": "1"}}
    assert "skips" in collector.notes[0].message


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="]\x7f\x85\xa0"), min_size=1, max_size=8)
KEYS = st.from_regex(r"\A[a-z][a-z0-9_.-]{0,8}\Z").filter(lambda key: not key.startswith("rem"))
PLAIN = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f\x85")


def clean(text: str) -> bool:
    return text == text.strip(" ") and text != '""' and " ;" not in text and not text.startswith(";")


VALUES = st.text(PLAIN, max_size=12).filter(clean)


@given(st.dictionaries(NAMES.filter(lambda name: name != "DEFAULT"), st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_what_is_printed_reads_back(sections: dict[str, dict[str, str]]) -> None:
    lines = [f"[{name}]\n" + "".join(f"{k}={escape_value(v)}\n" for k, v in body.items()) for name, body in sections.items()]
    ini, collector = parse("".join(lines))
    assert not collector.problems
    assert {name: {key: ini.get(name, key) for key in body} for name, body in ini.sections.items()} == sections


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    ini, collector = parse(data)
    assert all(p.kind == "U" for p in collector.problems)
    assert all(name and "]" not in name for name in ini.sections)


@example("% 0")
@example('"%"')
@example("a %;b")
@given(st.text(PLAIN, max_size=20).map(str.strip))
def test_values_are_stable_under_a_second_reading(text: str) -> None:
    """Whatever a value became, writing it back gives the same value: the law the printer rests on.

    It holds for what reading gives. A value with its percent signs cut out may be one that no file can hold, as " 0" is.
    """
    first = parse(f"[a]\nk={text.replace('%', '%%')}\n")[0].get("a", "k")
    second = parse(f"[a]\nk={escape_value(first)}\n")[0].get("a", "k")
    assert second == first
