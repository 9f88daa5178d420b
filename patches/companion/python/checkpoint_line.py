"""Which checkpoint of a run's folder is the newest: the record of the harness's `checkpoints/lineage.py`, read and written here.

Ours: the programs of 2012 went by the names of the files. Checkpoints are numbered as they are saved; a record behind the
pickle, or in the comment of a ZIP, holds the numbers of a checkpoint and of all that led to it, as in 1-3,19-21. Files without
one come before all others, in the natural order of their names. Checked under Python 2.7 and 3 against the harness.
"""

import os
import re
import zipfile
import zlib

_FORM = re.compile(b"\nalexnet-archive line ([0-9][0-9,-]*) ([0-9a-f]{8})\n$")
_SEALED = re.compile(b"\nalexnet-archive sha256 [0-9a-f]{64}\n$")
_END = 1 << 14


def numbers(path):
    """[(first, last), ...] of a checkpoint file, [] where it has no record that can be read."""
    with open(path, "rb") as stream:
        if stream.read(4) == b"PK\x03\x04":
            end = _comment(stream)
        else:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _END))
            # The line with the digest of the harness begins with a newline of its own.
            end = _SEALED.sub(b"", stream.read())
    match = _FORM.search(end)
    if match is None or int(match.group(2), 16) != zlib.crc32(match.group(1)) & 0xffffffff:
        return []
    parts = [part.split(b"-") for part in match.group(1).split(b",")]
    return [(int(part[0]), int(part[-1])) for part in parts]


def _comment(stream):
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipfile:
        return b""
    with archive:
        return archive.comment


def following(folder, names, before):
    """The numbers of the checkpoint that is saved next in `folder`, beside those of `names`, behind `before`."""
    known = [before] + [numbers(os.path.join(folder, name)) for name in names]
    number = 1 + max([stretches[-1][1] for stretches in known if stretches] or [0])
    if before and before[-1][1] + 1 == number:
        return before[:-1] + [(before[-1][0], number)]
    return before + [(number, number)]


def record(stretches):
    """What is written behind the pickle, or as the comment of a ZIP."""
    text = ",".join("%d" % first if first == last else "%d-%d" % (first, last) for first, last in stretches).encode()
    return b"\nalexnet-archive line " + text + (" %08x\n" % (zlib.crc32(text) & 0xffffffff)).encode()


def in_order(folder, names):
    """`names`, which are in natural order, the oldest first: without a record, then left behind by the run, then the newest's."""
    lines = dict((name, numbers(os.path.join(folder, name))) for name in names)
    newest = max([line for line in lines.values() if line] or [[]], key=lambda line: line[-1][1] if line else 0)

    def age(name):
        if not lines[name]:
            return (0, 0)
        number = lines[name][-1][1]
        return (1 + any(first <= number <= last for first, last in newest), number)

    return sorted(names, key=age)
