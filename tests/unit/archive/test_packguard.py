"""Packs built to swell are refused before anything inflates them; honest packs pass untouched."""

from __future__ import annotations

import io
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.archive.packguard import check_pack
from alexnet_archive.archive.staging import Limits
from alexnet_archive.errors import AcquireError

LIMITS = Limits(files=10, file_bytes=100_000, total_bytes=200_000)
COMMIT, BLOB, OFFSET_DELTA, NAME_DELTA = 1, 3, 6, 7


def varint(value: int) -> bytes:
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        out += bytes([byte | (0x80 if value else 0)])
        if not value:
            return out


def entry(kind: int, content: bytes, *, announced: int | None = None, base: bytes = b"") -> bytes:
    size = len(content) if announced is None else announced
    first, rest = (kind << 4) | (size & 15), size >> 4
    head = bytes([first | 0x80]) + varint(rest) if rest else bytes([first])
    return head + base + zlib.compress(content, 9)


def pack(*entries: bytes, count: int | None = None) -> io.BytesIO:
    head = b"PACK" + (2).to_bytes(4, "big") + (len(entries) if count is None else count).to_bytes(4, "big")
    return io.BytesIO(head + b"".join(entries) + b"\0" * 20)


@given(st.lists(st.tuples(st.sampled_from([COMMIT, BLOB]), st.binary(max_size=300)), max_size=12))
def test_honest_packs_pass(objects: list[tuple[int, bytes]]) -> None:
    check_pack(pack(*(entry(kind, content) for kind, content in objects)), LIMITS)


def test_an_object_that_swells_is_refused_with_little_memory() -> None:
    honest, lying = entry(BLOB, b"\0" * 50_000_000), entry(BLOB, b"\0" * 50_000_000, announced=10)
    for bomb in (honest, lying):
        stream = pack(bomb)
        tracemalloc.start()
        with pytest.raises(AcquireError, match="too much"):
            check_pack(stream, LIMITS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000


@pytest.mark.parametrize(("kind", "base"), [(NAME_DELTA, b"n" * 20), (OFFSET_DELTA, b"\x81\x01")])
def test_a_delta_that_would_make_too_much_is_refused(kind: int, base: bytes) -> None:
    small = entry(kind, varint(1000) + varint(90_000) + b"\x91\x00\x10", base=base)
    check_pack(pack(small), LIMITS)
    bomb = entry(kind, varint(1000) + varint(5_000_000_000) + b"\x91\x00\x10", base=base)
    with pytest.raises(AcquireError, match="too much"):
        check_pack(pack(bomb), LIMITS)


def test_many_objects_and_many_bytes_are_refused() -> None:
    with pytest.raises(AcquireError, match="too many objects"):
        check_pack(pack(count=201), LIMITS)
    part = entry(BLOB, b"\0" * 90_000)
    with pytest.raises(AcquireError, match="too much"):
        check_pack(pack(*[part] * 60), LIMITS)


def test_damage_is_not_taken_for_a_bomb() -> None:
    whole = pack(entry(BLOB, b"x" * 100)).getvalue()
    for broken in (whole[:8], whole[:20], b"JUNK" + whole[4:]):
        with pytest.raises((EOFError, ValueError, zlib.error)):
            check_pack(io.BytesIO(broken), LIMITS)
