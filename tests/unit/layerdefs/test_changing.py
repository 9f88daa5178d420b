"""A parameter file with some values changed: nothing else changes, and what is written reads as the same parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alexnet_archive import layerdefs, paths
from alexnet_archive.errors import LayerFileError, UserInputError
from alexnet_archive.layerdefs import ParameterFile, number_text, parse_parameters
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.ini import parse_ini

TEXT = """; the notes of a run
[DEFAULT]
momB = 0.9
[conv1]
epsw : 0.01 ; lowered twice
epsB=0.02
note=50%%
 of it
[fc]
EPSW=0.01,0.001
epsB=0
[drop]
enable=On
[conv1]
wc=0.0005
"""


def parsed(text: str = TEXT) -> ParameterFile:
    return parse_parameters(text.encode("latin-1"), "layer-params.cfg")


def test_layers_are_told_by_their_keys_and_values_by_their_inputs() -> None:
    file = parsed()
    assert (file.weighted, file.dropouts) == (("conv1", "fc"), ("drop",))
    assert file.numbers("conv1", "epsW") == (0.01,) and file.numbers("fc", "epsW") == (0.01, 0.001)
    assert file.numbers("fc", "wc") == (0.0,) and file.numbers("fc", "momB") == (0.9,)
    assert file.enabled("drop") and not file.changed({("drop", "enable"): "false"}).enabled("drop")


def test_only_what_was_changed_changes_and_notes_stay_behind() -> None:
    text = parsed().changed({("conv1", "epsW"): "0.001", ("fc", "wc"): "0.1,0.2"}).text("first", "second")
    assert text.startswith("# first\n# second\n\n[DEFAULT]\n") and "lowered" not in text and "notes" not in text
    again = parsed(text)
    assert again.numbers("conv1", "epsW") == (0.001,) and again.numbers("fc", "wc") == (0.1, 0.2)
    assert again.text_of("conv1", "note") == "50%\nof it" and again.text_of("fc", "momB") == "0.9"
    assert again.changed({("conv1", "epsW"): "0.01"}).numbers("conv1", "epsB") == (0.02,)


def test_every_net_of_ours_reads_the_same_from_what_is_written(tmp_path: Path) -> None:
    folder = paths.nets()
    for name, facts in layerdefs.our_nets().items():
        parameters = folder / f"{name}.params.cfg"
        written = tmp_path / parameters.name
        written.write_bytes(layerdefs.read_parameters(parameters).text().encode("latin-1"))
        one, other = (layerdefs.read_network(folder / f"{name}.cfg", path, facts.shape()) for path in (parameters, written))
        assert [layer.parameters for layer in one.layers] == [layer.parameters for layer in other.layers]


@example(b"[a]\nx=1\n y=2\n[DEFAULT]\nREM =2\nk=;a\n")
@example(b"[DEFAULT]\n[a]\nepsw=\n # no comment\n")
@given(
    st.one_of(
        st.binary(max_size=120),
        st.lists(
            st.sampled_from(["[a]", "[DEFAULT]", "[ b ]", "x=1 ; c", "x : y;z ; w", " more", "# c", "epsW=0.1", 'k=""',
                             "rem x=2", "k=%(x)s", "", "\xe9=\xff", "k=;", " ;", "k=a\r"]), max_size=14,
        ).map(lambda lines: "\n".join(lines).encode("latin-1")),
    )
)  # fmt: skip
def test_writing_and_reading_gives_the_same_file_whatever_it_holds(data: bytes) -> None:
    collector = Collector()
    ini = parse_ini(data, "f", collector)
    if collector.problems:
        with pytest.raises(LayerFileError):
            parse_parameters(data, "f")
        return
    again = parse_parameters(ParameterFile(ini).text("a title").encode("latin-1"), "f").ini
    assert (again.sections, again.defaults) == (ini.sections, ini.defaults)


@given(st.floats(min_value=0, allow_infinity=False))
def test_a_number_is_written_without_an_exponent_and_reads_as_itself(value: float) -> None:
    text = number_text(value)
    assert float(text) == value and "e" not in text and (text == "0" or not text.endswith("." if "." not in text else "0"))


@pytest.mark.parametrize(
    ("value", "shown"), [(1e-5, "0.00001"), (0.01, "0.01"), (0.0, "0"), (250.0, "250"), (1e22, "1" + "0" * 22)]
)
def test_numbers_look_as_people_write_them(value: float, shown: str) -> None:
    assert number_text(value) == shown


def test_what_is_no_number_or_leads_nowhere_is_said_with_its_place() -> None:
    with pytest.raises(UserInputError, match=r"layer-params.cfg \[a\] epsW is no number"):
        parsed("[a]\nepsW=fast\n").numbers("a", "epsW")
    with pytest.raises(UserInputError, match=r"\[a\] epsW"):
        parsed("[a]\nepsW=%(b)s\n").numbers("a", "epsW")
