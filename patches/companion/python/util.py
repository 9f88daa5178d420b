"""Stands for the private module `util` of the 2012 release; written from python-and-data sections 1.2 and 1.3.

Star-imported by every script, so what is bound here is a contract: `n` (numpy), `os` and `re` must leak, `time` and
`getopt` must not, and `pickle` is the function below, never the standard module. Checked by the star-import tests under
Python 2.7 and 3.
"""

import os
import re
import sys as _sys
import gzip as _gzip
import tempfile as _tempfile
import zipfile as _zipfile

import numpy as n

try:
    import cPickle as _pickle
except ImportError:
    import pickle as _pickle

GPU_LOCK_NO_SCRIPT = -2
GPU_LOCK_NO_LOCK = -1

_PATH_MAP_VARIABLE = "ALEXNET_ARCHIVE_PATH_MAP"
_KEPLER_VARIABLE = "ALEXNET_ARCHIVE_KEPLER"
# Same prefix as the harness uses, so that either side knows the other's unfinished files.
_UNFINISHED_PREFIX = ".writing-"


class UnpickleError(Exception):
    """A checkpoint or batch file that is not there."""


def _mapped(path):
    """The place of a hard-coded private path of 2012 on this machine (section 8).

    The environment variable holds `OLD=NEW` pairs separated as in PATH; the longest prefix that ends at a folder wins.
    """
    path = os.path.expanduser(path)
    pairs = [pair.split("=", 1) for pair in os.environ.get(_PATH_MAP_VARIABLE, "").split(os.pathsep) if "=" in pair]
    for old, new in sorted(pairs, key=lambda pair: -len(pair[0])):
        old = old.rstrip("/")
        if path == old or path.startswith(old + "/"):
            return new.rstrip("/") + path[len(old):]
    return path


def pickle(filename, data, compress=False, record=b""):
    """Write `data` as a protocol-2 pickle, or as a ZIP whose member `data` is that pickle.

    Appears under its name only when complete: a run that is killed while saving keeps its last checkpoint. `record` stands
    behind the pickle, where no reader looks, or is the comment of the ZIP (ours, `checkpoint_line`).
    """
    filename = _mapped(filename)
    folder = os.path.dirname(filename) or "."
    handle, unfinished = _tempfile.mkstemp(prefix=_UNFINISHED_PREFIX + os.path.basename(filename) + "-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            if compress:
                with _zipfile.ZipFile(stream, "w", _zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
                    archive.writestr("data", _pickle.dumps(data, 2))
                    archive.comment = record
            else:
                _pickle.dump(data, stream, 2)
                stream.write(record)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(unfinished, 0o666 & ~mask)
        os.rename(unfinished, filename)
    except BaseException:
        os.unlink(unfinished)
        raise


def _load(stream):
    if _sys.version_info[0] == 2:
        return _pickle.load(stream)
    return _pickle.load(stream, encoding="latin1")


def unpickle(filename):
    """Read a plain, gzip or ZIP pickle, told apart by its leading bytes. Raises UnpickleError where there is no file."""
    filename = _mapped(filename)
    if not os.path.exists(filename):
        raise UnpickleError("There is no file %s" % filename)
    with open(filename, "rb") as stream:
        magic = stream.read(4)
        stream.seek(0)
        if magic == b"PK\x03\x04":
            archive = _zipfile.ZipFile(stream)
            try:
                with archive.open("data") as member:
                    return _load(member)
            finally:
                archive.close()
        if magic[:2] == b"\x1f\x8b":
            unzipped = _gzip.GzipFile(fileobj=stream)
            try:
                return _load(unzipped)
            finally:
                unzipped.close()
        return _load(stream)


def is_kepler_machine():
    """True selects the extension `_ConvNet_k20x`; the 2012 test is unknown, so the environment says it (section 1.3)."""
    return os.environ.get(_KEPLER_VARIABLE, "0") not in ("", "0")


def get_gpu_lock(id=-1):
    """Boards were shared through a private lock server, which is left out: any id asked for is granted."""
    return id if id >= 0 else GPU_LOCK_NO_SCRIPT


def get_cpus_for_gpu(gpu):
    """CPU numbers next to a board; unknown here, which means threads are not pinned (section 2.2)."""
    return [-1]


def tryint(s):
    try:
        return int(s)
    except ValueError:
        return s


def alphanum_key(s):
    """Key for natural sorting: `9.10` comes after `9.9`."""
    return [tryint(part) for part in re.split("([0-9]+)", s)]


def is_windows_machine():
    return os.name == "nt"


def get_cpu():
    """`intel` or `amd`, from the processor's vendor text."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as stream:
            if "GenuineIntel" in stream.read():
                return "intel"
    return "amd"


def is_intel_machine():
    return get_cpu() == "intel"
