"""Lines of the acquired files are found wherever they stand in a text, and nothing else is."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.archive.lines import LEAST, Lines

TEXT = st.text(st.sampled_from("ab \n"), max_size=120)


@given(TEXT, TEXT)
def test_it_finds_what_a_plain_search_finds(held: str, text: str) -> None:
    lines = [line.strip() for line in held.splitlines() if len(line.strip()) >= LEAST]
    found = Lines([held]).within(text)
    assert (found is None) == (not any(line in text for line in lines)) and (found is None or found in lines)


def test_every_acquired_file_counts_whatever_its_coding(acquired: Path) -> None:
    latin = "café café café café café".encode("latin-1")
    for name, data in (("a.py", b"a line of the release, a"), ("b.txt", latin), ("c.bin", b"\0\1")):
        acquired.chmod(0o755)
        (acquired / name).write_bytes(data)
    lines = Lines.acquired()
    assert lines.within("x a line of the release, a x") and lines.within("<td>café café café café café</td>")
    assert lines.within("a line of the release") is None


def test_nothing_acquired_holds_nothing(archive_root: Path) -> None:
    assert Lines.acquired().within("anything at all, however long") is None
