"""Tars read in place: offsets that hold the right bytes, and archives that are damaged, cut short or hostile."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.convert import tars
from alexnet_archive.batches.convert.inventory import Entry, Finding
from alexnet_archive.batches.convert.readers import Reader
from alexnet_archive.batches.convert.tars import list_stream
from tests.conftest import examples
from tests.unit.batches.miniature import add

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def nested(files: dict[str, dict[str, bytes]], format: int = tarfile.GNU_FORMAT) -> bytes:
    outer_stream = io.BytesIO()
    with tarfile.open(fileobj=outer_stream, mode="w", format=format) as outer:
        for name, members in files.items():
            stream = io.BytesIO()
            with tarfile.open(fileobj=stream, mode="w", format=format) as inner:
                for member, data in members.items():
                    add(inner, member, data)
            add(outer, name, stream.getvalue())
    return outer_stream.getvalue()


def listed(path: Path) -> tuple[list, list[Finding]]:
    findings: list[Finding] = []
    with path.open("rb") as stream:
        return list(list_stream(stream, path.stat().st_size, path.name, findings)), findings


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,120}\.JPEG", fullmatch=True), st.binary(max_size=2000), max_size=6),
    st.sampled_from(FORMATS[1:]),
)
def test_offsets_hold_the_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict, format: int) -> None:
    path = tmp_path_factory.mktemp("tar") / "t.tar"
    path.write_bytes(nested({"a.tar": files, "b.tar": files}, format))
    members, findings = listed(path)
    assert not findings
    whole = path.read_bytes()
    got = {m.path: whole[m.offset : m.offset + m.size] for m in members}
    assert got == {f"t.tar/{inner}/{name}": data for inner in ("a.tar", "b.tar") for name, data in files.items()}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    path = tmp_path / "t.tar"
    path.write_bytes(nested({"a.tar": {"1.JPEG": b"x" * 700, "2.JPEG": b"y" * 700}, "b.tar": {"3.JPEG": b"z" * 700}}))
    return path


def test_nothing_is_lost_in_silence_wherever_an_archive_is_cut(two: Path) -> None:
    whole = two.read_bytes()
    everything, findings = listed(two)
    assert len(everything) == 3 and not findings
    outer_end = max(m.offset + 1024 for m in everything) + 1024  # the data, then the end mark of the inner tar
    for end in range(0, outer_end, 256):
        two.write_bytes(whole[:end])
        members, findings = listed(two)
        assert findings, f"cut at {end}: {len(members)} members and not a word"
        assert all(m.offset + m.size <= end for m in members)


def test_a_damaged_header_is_reported_not_taken_for_the_end(two: Path) -> None:
    data = bytearray(two.read_bytes())
    at = data.index(b"2.JPEG")
    data[at : at + 6] = b"??????"
    two.write_bytes(data)
    members, findings = listed(two)
    assert [m.path for m in members] == ["t.tar/a.tar/1.JPEG", "t.tar/b.tar/3.JPEG"]
    assert [(f.picture, f.kind) for f in findings] == [("t.tar/a.tar", "damaged archive")]
    assert "lost" in findings[0].reason


def test_a_file_that_is_no_tar(tmp_path: Path) -> None:
    path = tmp_path / "t.tar"
    path.write_bytes(b"hello" * 300)
    assert [f.kind for f in listed(path)[1]] == ["damaged archive"]
    path.write_bytes(nested({"a.tar": {}}).replace(b"a.tar", b"a.txt"))
    members, findings = listed(path)
    assert findings or members


@settings(deadline=None, max_examples=examples(150))
@given(st.data(), st.sampled_from(FORMATS))
def test_plain_headers_read_fast_are_read_like_any_other(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, format: int
) -> None:
    """Whatever byte is damaged, the same members and the same findings as from tarfile alone."""
    content = {"1.JPEG": b"x" * 700, "a/" + "n" * 90 + ".JPEG": b"y" * 1024, "3.JPEG": b""}
    whole = bytearray(nested({"a.tar": content, "b.tar": content}, format))
    for _ in range(data.draw(st.integers(0, 3))):
        block = data.draw(st.sampled_from([at for at in range(0, len(whole), 512) if whole[at + 257 : at + 262] == b"ustar"]))
        field = data.draw(st.sampled_from([0, 100, 124, 135, 148, 156, 257, 329, 345, 500]))
        whole[block + field] = data.draw(st.sampled_from([0, 32, 45, 46, 47, 48, 53, 120, 128, 255]))
        if data.draw(st.booleans()):
            checksum = sum(whole[block : block + 148]) + 256 + sum(whole[block + 156 : block + 512])
            whole[block + 148 : block + 156] = b"%06o\0 " % checksum
    path = tmp_path_factory.mktemp("tar") / "t.tar"
    path.write_bytes(whole)
    fast = listed(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tars, "_plain", lambda header: None)
        assert listed(path) == fast


def with_size(two: Path, name: bytes, size: bytes, kind: bytes = b"0") -> None:
    """Give the member `name` another size field and type, with a fitting checksum."""
    whole = bytearray(two.read_bytes())
    at = whole.index(name)
    whole[at + 124 : at + 136] = size
    whole[at + 156 : at + 157] = kind
    whole[at + 148 : at + 156] = b"%06o\0 " % (sum(whole[at : at + 148]) + 256 + sum(whole[at + 156 : at + 512]))
    two.write_bytes(whole)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", [b"0", b"5", b"L", b"x"])
@pytest.mark.parametrize("size", [b"-0000001000\0", b"-0000002000\0", b"77777777777\0"])
def test_sizes_made_to_do_harm_end_the_archive(two: Path, size: bytes, kind: bytes) -> None:
    """A negative size leads back to its own header, an enormous extended header fills the memory."""
    with_size(two, b"2.JPEG", size, kind)
    members, findings = listed(two)
    assert [m.path for m in members] == ["t.tar/a.tar/1.JPEG", "t.tar/b.tar/3.JPEG"]
    assert [f.kind for f in findings] in (["damaged archive"], ["truncated"])


def test_tars_within_tars_without_end_are_refused(tmp_path: Path) -> None:
    data = nested({"a.tar": {"x.JPEG": b"picture"}})
    for _ in range(60):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            add(archive, "deeper.tar", data)
        data = stream.getvalue()
    (tmp_path / "t.tar").write_bytes(data)
    members, findings = listed(tmp_path / "t.tar")
    assert not members and [f.kind for f in findings] == ["damaged archive"] and "tars within tars" in findings[0].reason


def test_the_reader_checks_lengths_and_keeps_to_its_entry(two: Path) -> None:
    member = listed(two)[0][1]
    entry = Entry("t.tar", member.offset, member.size, member.path, "", 1)
    with Reader(two.parent) as reader:
        reader.expect([entry])
        assert reader.read(entry) == b"y" * 700
        for bad, kind in (
            (entry._replace(offset=two.stat().st_size - 10), "truncated"),
            (entry._replace(size=0), "empty"),
            (entry._replace(container="gone.tar"), "unreadable"),
            (entry._replace(container="", offset=-1, size=5, name="gone.jpg"), "unreadable"),
        ):
            reader.expect([bad])  # reading ahead is no reason to stop: whatever is wrong shows when it is read
            with pytest.raises(PictureError) as caught:
                reader.read(bad)
            assert caught.value.kind == kind
        (two.parent / "now.jpg").write_bytes(b"12")
        with pytest.raises(PictureError) as caught:
            reader.read(Entry("", -1, 3, "now.jpg", "", 1))
        assert caught.value.kind == "truncated"
