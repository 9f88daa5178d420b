"""Looks through a received git pack for bombs before anything inflates it: how many objects, how large each and all would be.

An object says its size before its compressed content, a delta the size of its result in its first bytes; both are read here
with bounded memory. The git library believes them only after inflating. Checked against: packs of real servers, and packs built
to swell.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import IO

from alexnet_archive.archive.staging import CHUNK, Limits, refuse

OFFSET_DELTA, NAME_DELTA = 6, 7
OBJECTS_PER_FILE = 20  # a history holds older versions, trees and commits beside the files of one revision
DELTA_HEAD = 32


@dataclass
class _Reader:
    """The pack as a stream with a place to put back what zlib did not need."""

    stream: IO[bytes]
    buffer: bytes = b""

    def take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            more = self.stream.read(CHUNK)
            if not more:
                raise EOFError("the pack ends early")
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def inflate(self, limit: int) -> tuple[bytes, int]:
        """The first bytes of one compressed object and its full size; stops with a refusal above `limit`."""
        inflater, head, size = zlib.decompressobj(), b"", 0
        while not inflater.eof:
            fed = inflater.unconsumed_tail or self.take(1) + self.buffer
            if not inflater.unconsumed_tail:
                self.buffer = b""
            out = inflater.decompress(fed, CHUNK)
            size += len(out)
            head = head or out[:DELTA_HEAD]
            if size > limit:
                raise refuse("the repository holds an object that unpacks to too much", expected=f"at most {limit} bytes")
        self.buffer = inflater.unused_data + self.buffer
        return head, size


def check_pack(stream: IO[bytes], limits: Limits) -> None:
    """Raise AcquireError when the pack in `stream` holds too many objects or would inflate to too much.

    Damage is left to the library to find: a pack that cannot be followed raises EOFError, ValueError or zlib.error.
    """
    reader = _Reader(stream)
    head = reader.take(12)
    if head[:4] != b"PACK":
        raise ValueError("not a pack")
    count = int.from_bytes(head[8:12], "big")
    if count > limits.files * OBJECTS_PER_FILE:
        raise refuse(
            "the repository holds too many objects", expected=f"at most {limits.files * OBJECTS_PER_FILE}", found=count
        )
    total = 0
    for _ in range(count):
        kind, announced = _object_head(reader)
        if kind == OFFSET_DELTA:
            while reader.take(1)[0] & 0x80:
                pass
        elif kind == NAME_DELTA:
            reader.take(20)
        if announced > limits.file_bytes:
            raise refuse("the repository holds an object that unpacks to too much", found=f"{announced} bytes")
        start, size = reader.inflate(limits.file_bytes)
        result = _result_size(start) if kind in (OFFSET_DELTA, NAME_DELTA) else size
        total += result
        if result > limits.file_bytes or total > limits.total_bytes * OBJECTS_PER_FILE:
            raise refuse("the repository's objects unpack to too much", found=f"{max(result, total)} bytes")


def _object_head(reader: _Reader) -> tuple[int, int]:
    byte = reader.take(1)[0]
    kind, size, shift = (byte >> 4) & 7, byte & 15, 4
    while byte & 0x80:
        byte = reader.take(1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise ValueError("an object of the pack has no sensible size")
    return kind, size


def _result_size(delta: bytes) -> int:
    """The second number at the head of a delta: the size of what it makes (the first is that of its base)."""
    numbers, place = [], 0
    for _ in range(2):
        value = shift = 0
        while True:
            if place >= len(delta):
                raise ValueError("a delta of the pack is cut off")
            byte = delta[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        numbers.append(value)
    return numbers[1]
