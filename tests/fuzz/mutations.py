"""Mutations that know the structure: of pickled values, of lines of text, of tars, zips and messages of protobuf.

Each gives bytes from a generator of random numbers; what byte-wise mutation never reaches (a label that is a tuple, a link that
escapes) comes from here.
"""

from __future__ import annotations

import copy
import io
import json
import math
import pickle
import random
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alexnet_archive import pickles

Mutation = Callable[[random.Random], bytes]


class Runs:
    """Pickled as a call of os.system: a reader that makes the call is found out by the watch."""

    def __reduce__(self) -> Any:
        import os

        return os.system, ("true",)


def strange(rng: random.Random) -> Any:
    """A value that does not belong where it is put."""
    simple: list[Any] = [
        None, True, 0, -1, 1, 2, 2**31, 2**63, 10**400, -(10**30), 0.5, -0.0, 1e308, math.inf, -math.inf, math.nan, 1j,
        "", "a", "é", "\0", "犬" * 50, b"", bytearray(2), b"\xff\xfe", b"\xff\xd8\xff",
        [], [[]], [None], (), ("",), (0,) * 9, {}, {1: 2}, {"": ""}, {b"k": 1}, frozenset([1]),
        np.float32(np.nan), np.int64(-5), np.zeros(0), np.zeros((0, 5), np.float32), np.ones((3, 2), np.uint8), np.array("x"),
        np.array([np.nan, 1]), np.zeros((1, 1, 1, 1, 1)), np.array([1 + 2j]), np.arange(7.0)[::-2], np.array([b"a", b"bc"]),
    ]  # fmt: skip
    if rng.random() < 0.03:
        return Runs()
    if rng.random() < 0.05:
        deep: Any = []
        for _ in range(rng.choice([10, 200, 900])):
            deep = [deep]
        return deep
    if rng.random() < 0.05:
        return halved(rng.choice([list, tuple]), rng.choice([3, 12]))
    return rng.choice(simple)


def halved(kind: type, times: int) -> Any:
    """A list or tuple that holds the one before it twice: small in a pickle, without end for who walks through it."""
    value = kind()
    for _ in range(times):
        value = kind((value, value))
    return value


def places(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a value, a few levels down."""
    found: list[tuple[Any, Any]] = []
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    for key, inner in items[:60]:
        found.append((value, key))
        if depth < 6:
            found += places(inner.state if hasattr(inner, "state") else inner, depth + 1)
    return found


def _twisted(value: Any, rng: random.Random) -> Any:
    """The same value a little otherwise: another type, size or sign."""
    if isinstance(value, np.ndarray) and value.size and value.ndim and value.dtype.kind in "fiu":
        return rng.choice([
            value.T, value.ravel(), value[:-1], value.astype(np.float16), value.astype(object), value * np.float32(1e30),
            0 - value, np.asfortranarray(value), value.tolist() if value.size < 100 else value[None],
            np.concatenate([value, value]),
        ])  # fmt: skip
    if isinstance(value, bool | int | float) and abs(value) < 1e300:
        return rng.choice([-value, value + 1, value * 2**20, float(value), str(value), [value], (value,), value - 0.5])
    if isinstance(value, str | bytes):
        return rng.choice([value[:-1], value * 3, value + value[:1], value.upper(), [value], (value,)])
    if isinstance(value, list):
        return rng.choice([value[:-1], value[1:], value * 2, tuple(value), list(reversed(value)), dict(enumerate(value))])
    return strange(rng)


def changed(value: Any, rng: random.Random) -> Any:
    """A copy of a value with one to four places changed, removed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        open_places = places(value)
        if not open_places or rng.random() < 0.02:
            return strange(rng)
        container, key = rng.choice(open_places)
        action = rng.random()
        if (key not in container) if isinstance(container, dict) else key >= len(container):
            continue  # an earlier change took it away
        if action < 0.15:
            del container[key]
        elif action < 0.25 and isinstance(container, dict):
            name = rng.choice([None, 1, b"k", "", (), f"{key}x", halved(tuple, 12)])
            container[name] = container.pop(key) if rng.random() < 0.5 else strange(rng)
        elif action < 0.6:
            container[key] = strange(rng)
        else:
            container[key] = _twisted(container[key], rng)
    return value


def pickled(values: Sequence[Any]) -> Mutation:
    """Pickles of changed values, as Python 2 and as Python 3 write them."""

    def mutation(rng: random.Random) -> bytes:
        value = changed(rng.choice(values), rng)
        if rng.random() < 0.02 and (open_places := places(value)):
            container, key = rng.choice(open_places)
            container[key] = halved(rng.choice([list, tuple]), 40)  # which JSON could not write
        number = rng.choice([0, 1, 2, 4, 5])
        ways: list[Callable[[], bytes]] = [lambda: pickles.dumps(value), lambda: pickle.dumps(value, number)]
        rng.shuffle(ways)
        for way in ways:
            try:
                return _of_other_length(way(), rng)
            except Exception:  # what Python 2 has no form for, or what only our writer knows
                pass
        return b""

    return mutation


def _of_other_length(data: bytes, rng: random.Random) -> bytes:
    """Now and then four or eight bytes are another number, which may be the length of what follows."""
    if rng.random() > 0.1:
        return data
    at, size = rng.randrange(len(data)), rng.choice([4, 8])
    return data[:at] + (1 << rng.randrange(8 * size)).to_bytes(size, "little") + data[at + size :]


WORDS = [
    "", "0", "-1", "1", "3", "1e99", "nan", "inf", "1,2", "1,,2", ",", "all", "data", "x" * 300, "é", "\t", "%(x)s",
    "[", "]", "=", "#", ";", '"', "'", "9" * 40, "0x10", "None", "True", "a b", "../../x", "/etc/passwd", "*", "2*3",
    "__import__('os')", "\\", "\x00", "3/0",
]  # fmt: skip


def lines(texts: Sequence[str], *, between: str = "=") -> Mutation:
    """Texts with lines dropped, doubled, moved, or values after `between` replaced."""

    def mutation(rng: random.Random) -> bytes:
        rows = rng.choice(texts).split("\n")
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.randrange(len(rows))
            action = rng.random()
            head, sign, tail = rows[at].partition(between)
            if action < 0.15:
                del rows[at]
            elif action < 0.3:
                rows.insert(rng.randrange(len(rows) + 1), rows[at])
            elif action < 0.4:
                rows[at] = rng.choice(WORDS)
            elif action < 0.5:
                rows[at] = head + sign + rng.choice(rng.choice(texts).split("\n")).partition(between)[2]
            elif action < 0.6 and tail:
                cells = tail.split(",")
                rows[at] = head + sign + ",".join([*cells, rng.choice(WORDS)] if rng.random() < 0.5 else cells[1:])
            else:
                rows[at] = head + sign + rng.choice(WORDS)
            rows = rows or [""]
        return "\n".join(rows).encode("utf-8", "replace")

    return mutation


NAMES = [
    "../x", "/x", "a/../../x", "./a", "a//b", "", ".", "..", "a\\b", "con", "A", "a", "é", "e\u0301", "x" * 300,
    "d/" * 40 + "x", ".git/config", "a\nb", "C:/x", "a/.", "original/source/x", "\x7f", "犬",
]  # fmt: skip


TYPES = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]


def tarred(members: dict[str, bytes], inner: Sequence[str] = ()) -> Mutation:
    """Tars of some of `members` with strange names, kinds and sizes; those in `inner` are tars and mutated too."""

    def mutation(rng: random.Random, depth: int = 0) -> bytes:
        out = io.BytesIO()
        mode: Any = rng.choice(["w", "w", "w:gz", "w:bz2"]) if depth == 0 else "w"
        formats = rng.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
        with tarfile.open(fileobj=out, mode=mode, format=formats) as archive:
            for name, data in members.items():
                if rng.random() < 0.1:
                    continue
                data = mutation(rng, depth + 1) if name in inner and depth < 3 and rng.random() < 0.4 else data
                info = tarfile.TarInfo(rng.choice(NAMES) if rng.random() < 0.2 else name)
                info.size = len(data)
                info.mode, info.mtime = rng.choice([0o644, 0o755, 0, 0o7777]), rng.choice([0, 1, 2**33, 1354000000])
                if rng.random() < 0.2:
                    info.type = rng.choice(TYPES)
                    info.linkname, info.size, data = rng.choice([*NAMES, *members]), 0, b""
                try:
                    archive.addfile(info, io.BytesIO(data))
                except (ValueError, OverflowError):
                    continue
        return _cut(out.getvalue(), rng)

    return mutation


def zipped(members: dict[str, bytes]) -> Mutation:
    """Zips of some of `members` with strange names, links and modes."""

    def mutation(rng: random.Random) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in members.items():
                if rng.random() < 0.1:
                    continue
                info = zipfile.ZipInfo(rng.choice(NAMES) if rng.random() < 0.2 else name)
                info.external_attr = rng.choice([0o100644, 0o120777, 0o100755, 0o010644, 0]) << 16
                info.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a name that is there twice is the point
                    archive.writestr(info, data if rng.random() < 0.9 else b"\0" * 100_000)
        return _cut(out.getvalue(), rng)

    return mutation


def rezipped(archive: bytes) -> Mutation:
    """A zip whose members hold changed JSON or a few changed bytes, are missing, compressed or there twice."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        members = {name: old.read(name) for name in old.namelist()}

    def altered(name: str, data: bytes, rng: random.Random) -> bytes:
        if name.endswith(".json") and rng.random() < 0.8:
            try:
                return json.dumps(changed(json.loads(data), rng)).encode()
            except (TypeError, ValueError, RecursionError):  # what JSON has no form for
                return b"{}"
        at = rng.randrange(len(data))
        return rng.choice([data[:at], data * 2, data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :], b""])

    def mutation(rng: random.Random) -> bytes:
        chosen = {name: data for name, data in members.items() if rng.random() > 0.03}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as new, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name that is there twice is the point
            touched = rng.sample(sorted(chosen), min(len(chosen), rng.choice([0, 1, 1, 2])))
            for name, data in chosen.items():
                kind = zipfile.ZIP_DEFLATED if rng.random() < 0.02 else zipfile.ZIP_STORED
                new.writestr(zipfile.ZipInfo(name), altered(name, data, rng) if name in touched else data, kind)
                if rng.random() < 0.02:
                    new.writestr(rng.choice(sorted(members)), data)
        return _cut(out.getvalue(), rng)

    return mutation


def _cut(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1 and data:
        return data[: rng.randrange(len(data))]
    if rng.random() < 0.15 and data:
        at = rng.randrange(len(data))
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data


def spliced(examples: Callable[[], tuple[bytes, ...]]) -> Mutation:
    """Parts of two examples after one another, or a run of one made another: for formats that have no writer here."""

    def mutation(rng: random.Random) -> bytes:
        one, two = rng.choice(examples()), rng.choice(examples())
        a, b = rng.randrange(len(one) + 1), rng.randrange(len(two) + 1)
        if rng.random() < 0.5:
            return one[:a] + two[b:]
        return one[:a] + rng.choice([b"\xff", b"\0", b"\x7f\xff\xff\xff", two[b : b + 8]]) + one[a + rng.choice([0, 1, 4, 8]) :]

    return mutation


def message(examples: Sequence[Any]) -> Mutation:
    """Messages of protobuf with one to four fields set to strange values, cleared, doubled or shortened."""

    def within(root: Any) -> list[Any]:
        found, open_ones = [], [root]
        while open_ones and len(found) < 200:
            one = open_ones.pop()
            found.append(one)
            for field, value in one.ListFields():
                if field.message_type is not None:
                    open_ones += list(value) if field.is_repeated else [value]
        return found

    def mutation(rng: random.Random) -> bytes:
        root = type(rng.choice(examples))()
        root.CopyFrom(rng.choice([one for one in examples if type(one) is type(root)]))
        for _ in range(rng.choice([1, 1, 2, 4])):
            _field_changed(rng.choice(within(root)), rng)
        return _cut(root.SerializeToString(), rng)

    return mutation


NUMBERS = [0, 1, -1, 2, 3, 7, 65, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**32, 2**64 - 1, 0.5, 1e38, math.nan, -math.inf]


def _field_changed(one: Any, rng: random.Random) -> None:
    there, kinds = one.ListFields(), one.DESCRIPTOR.fields
    field = rng.choice(there)[0] if there and rng.random() < 0.8 else rng.choice(list(kinds))
    values = getattr(one, field.name)
    if rng.random() < 0.2:
        one.ClearField(field.name)
    elif field.message_type is not None:
        if not field.is_repeated:
            values.SetInParent()
        elif len(values) and rng.random() < 0.7:
            if rng.choice([True, False]):
                values.add().CopyFrom(rng.choice(list(values)))
            else:
                values.pop(rng.randrange(len(values)))
        else:
            values.add()
    else:
        strings = {field.CPPTYPE_STRING: ["", "a", "conv1", "é", "\0", "x" * 300, "../x", "relu1", *NUMBERS]}
        for value in rng.sample(strings.get(field.cpp_type, NUMBERS), 6):
            try:
                values.append(value) if field.is_repeated else setattr(one, field.name, value)
            except (TypeError, ValueError, OverflowError):  # no value of this kind
                continue
            break


def headed(data: bytes) -> Mutation:
    """A header in JSON behind its length, changed, with the numbers behind it (safetensors)."""
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]

    def mutation(rng: random.Random) -> bytes:
        try:
            text = json.dumps(changed(header, rng)).encode()
        except (TypeError, ValueError, RecursionError):  # what JSON has no form for
            text = b"{}"
        told = len(text) if rng.random() < 0.9 else rng.choice([0, 1, len(text) - 1, len(text) + 1, 2**40, 2**63])
        return _cut(told.to_bytes(8, "little") + text + numbers, rng)

    return mutation
