"""Tars listed by workers: the same pictures, findings and notes as one process finds, whatever is damaged or dies."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet_archive.batches.convert import ConvertOptions, convert, executors, listing, tars
from alexnet_archive.batches.convert.inventory import Finding, Inventory
from alexnet_archive.batches.convert.listing import Archive, Found
from alexnet_archive.batches.convert.sources import read_source
from alexnet_archive.batches.convert.tars import Inner
from alexnet_archive.errors import ConvertError, Interrupted
from tests.conftest import examples
from tests.unit.batches.miniature import CLASSES, add, make, wnid
from tests.unit.batches.samples import folder_bytes
from tests.unit.batches.test_tars import FORMATS, nested

pytest.importorskip("scipy", reason="the extra `imagenet` reads meta.mat")
TRAINING = "ILSVRC2012_img_train.tar"


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers from the first tar on, two tars at a time."""
    monkeypatch.setattr(listing, "HERE", 0)
    monkeypatch.setattr(listing, "TARS_AT_ONCE", 2)


def archive(members: dict[str, bytes], *, format: int = tarfile.GNU_FORMAT, pax: dict[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format, pax_headers=pax) as made:
        for name, data in members.items():
            add(made, name, data)
    return stream.getvalue()


def link(name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(member)
        add(made, "after.JPEG", b"x")
    return stream.getvalue()


def with_size(data: bytes, name: bytes, size: bytes) -> bytes:
    """The archive with another size field for a member, and a checksum that fits."""
    whole = bytearray(data)
    at = whole.index(name)
    whole[at + 124 : at + 136] = size
    whole[at + 148 : at + 156] = b"%06o\0 " % (sum(whole[at : at + 148]) + 256 + sum(whole[at + 156 : at + 512]))
    return bytes(whole)


def odd_tars() -> Iterator[bytes]:
    """Inner tars, sound and damaged, nested, hostile, with a header for all that follows."""
    pictures = {f"{k}.JPEG": b"p" * (300 * k) for k in range(4)}
    sound = archive(pictures)
    yield sound
    yield sound[:2000]
    yield sound.replace(b"2.JPEG", b"??????")
    yield b"no tar at all" * 100
    yield b""
    yield archive(pictures, format=tarfile.PAX_FORMAT, pax={"comment": "of all", "path": "all.JPEG"})
    yield archive(pictures, format=tarfile.PAX_FORMAT, pax={"size": "7"})
    yield archive({"n" * 140 + ".JPEG": b"long", "\udcff.JPEG": b"no text"})
    yield archive({"../escape.JPEG": b"x", "inside.JPEG": b"y", "/absolute.JPEG": b"z"})
    yield link("link.JPEG")
    yield archive({"a.JPEG": b"x", "inner.tar": sound, "deeper.tar": archive({"deepest.tar": sound}), "z.JPEG": b"x"})
    yield with_size(sound, b"1.JPEG", b"-0000001000\0")
    yield with_size(sound, b"1.JPEG", b"77777777777\0")
    yield archive({})


def odd_training(format: int) -> bytes:
    """A training tar with each of them under the name of a class, with pictures and a class of another kit between."""
    members: dict[str, bytes] = {}
    for number, data in enumerate([*odd_tars(), *odd_tars()], 1):
        members[f"{wnid(number)}.tar" if number <= CLASSES else f"again/{wnid(number - CLASSES)}.tar"] = data
        members[f"{wnid(1)}/loose{number}.JPEG"] = b"loose"
    members["n99999999.tar"] = archive({"n99999999_1.JPEG": b"x"})
    return archive(members, format=format, pax={"comment": "of everything"} if format == tarfile.PAX_FORMAT else None)


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("listing") / "tars", per_class=2, validation=5, test=3, odd=False).folder


@pytest.fixture
def source(mini: Path, tmp_path: Path) -> Path:
    """The miniature with links to its files, so that its training tar can be another."""
    folder = tmp_path / "source"
    folder.mkdir()
    for path in mini.iterdir():
        os.link(path, folder / path.name)
    return folder


def put(source: Path, training: bytes) -> None:
    (source / TRAINING).unlink()
    (source / TRAINING).write_bytes(training)


def everything(inventory: Inventory) -> tuple[object, ...]:
    listed = {role: p.entries(range(len(p)), inventory.wnids) for role, p in inventory.pictures.items()}
    return inventory.kind, listed, inventory.findings, inventory.notes, inventory.wnids


def found_with(source: Path, workers: int) -> tuple[object, ...]:
    return everything(read_source(source, ConvertOptions(workers=workers, follow_links=False)))


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The workers of each pool that is made."""
    made: list[int] = []
    pool = executors._pool

    def counted(workers: int) -> object:
        made.append(workers)
        return pool(workers)

    monkeypatch.setattr(executors, "_pool", counted)
    return made


@pytest.mark.parametrize("format, cut", [(tarfile.GNU_FORMAT, None), (tarfile.PAX_FORMAT, None), (tarfile.PAX_FORMAT, 150_000)])
def test_two_and_four_workers_find_what_one_finds(source: Path, pools: list[int], format: int, cut: int | None) -> None:
    put(source, odd_training(format)[:cut])
    one = found_with(source, 1)
    assert not pools
    assert len(one[1]["training"]) > 10 and len({f.kind for f in one[2]}) >= 4  # type: ignore[index, attr-defined]
    for workers in (2, 4):
        assert found_with(source, workers) == one
    assert pools == [2, 4]


def test_a_folder_of_tars_with_things_left_out_between_them(source: Path, pools: list[int]) -> None:
    """What the walk through a folder leaves out stands where it lies, between what the tars before and after it hold."""
    (source / TRAINING).unlink()
    folder = source / "train"
    folder.mkdir()
    for number, data in enumerate(odd_tars(), 1):
        (folder / f"{wnid(number)}.tar").write_bytes(data)
        (folder / f"{wnid(number)}.tar.link").symlink_to("/etc/passwd")
        (folder / wnid(number)).mkdir()
        (folder / wnid(number) / "loose.JPEG").write_bytes(b"loose")
    os.mkfifo(folder / "pipe")
    one = found_with(source, 1)
    kinds = [f.kind for f in one[2]]  # type: ignore[attr-defined]
    assert kinds.count("link") > 10 and "damaged archive" in kinds[kinds.index("link") :]
    for workers in (2, 4):
        assert found_with(source, workers) == one
    assert pools == [2, 4]


class ThreadPool(ThreadPoolExecutor):
    """Stands for a pool of processes; what goes in and comes out is pickled, and comes back in another order."""

    def submit(self, run: Callable, piece: listing.Piece) -> object:  # type: ignore[override, type-arg]
        def there_and_back() -> object:
            time.sleep(piece.number * 7 % 5 / 1000)
            return pickle.loads(pickle.dumps(run(pickle.loads(pickle.dumps(piece)))))

        return super().submit(there_and_back)


@settings(deadline=None, max_examples=examples(60))
@given(st.data(), st.sampled_from(FORMATS), st.integers(2, 4))
def test_whatever_byte_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, format: int, workers: int
) -> None:
    content = {"1.JPEG": b"x" * 700, "a/" + "n" * 90 + ".JPEG": b"y" * 1024, "3.JPEG": b""}
    whole = bytearray(nested(dict.fromkeys(["a.tar", "b.tar", "c.tar", "d.tar", "e.tar"], content), format))
    for _ in range(data.draw(st.integers(1, 4))):
        block = data.draw(st.sampled_from([at for at in range(0, len(whole), 512) if whole[at + 257 : at + 262] == b"ustar"]))
        whole[block + data.draw(st.sampled_from([0, 124, 135, 148, 156, 257, 345]))] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            checksum = sum(whole[block : block + 148]) + 256 + sum(whole[block + 156 : block + 512])
            whole[block + 148 : block + 156] = b"%06o\0 " % checksum
    path = tmp_path_factory.mktemp("tar") / "t.tar"
    path.write_bytes(whole[: data.draw(st.sampled_from([len(whole), 7000, 12000]))])
    findings: list[Finding] = []
    with path.open("rb") as stream:
        members = list(tars.list_stream(stream, path.stat().st_size, path.name, findings))
    expected = [Found(m.path, path.name, m.offset, m.size) for m in members]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "_pool", ThreadPool)
        for at_once in (1, 3):
            patch.setattr(listing, "TARS_AT_ONCE", at_once)
            told: list[Finding] = []
            assert list(listing.list_planned(listing.plan_tar(path), workers, told)) == expected
            assert told == findings


def test_findings_come_between_the_pictures_they_lie_between(tmp_path: Path) -> None:
    """As they are listed, not all at once: what is found of a picture itself comes in between."""
    (tmp_path / "t.tar").write_bytes(archive({f"{k}.tar": archive({"a": b"", "../b": b"", "c": b""}) for k in range(5)}))
    orders = []
    for workers in (1, 2):
        order: list[Finding] = []
        with closing(listing.list_planned(listing.plan_tar(tmp_path / "t.tar"), workers, order)) as found:
            for picture in found:
                order.append(Finding(picture.path, "seen", ""))
        orders.append(order)
    assert orders[0] == orders[1] and [f.kind for f in orders[0]] == ["seen", "unsafe path", "seen"] * 5


def test_few_pictures_start_no_worker(source: Path, pools: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert found_with(source, 4) == found_with(source, 1) and not pools


def test_a_tar_that_cannot_be_read_is_the_same_error(tmp_path: Path) -> None:
    """The first one in the order of the source, though another worker finds a later one sooner."""
    (tmp_path / "a.tar").write_bytes(archive({"a.JPEG": b"x"}))
    names = ("a.tar", "gone", "a.tar", "a.tar", "lost")
    plan = [Archive(str(tmp_path / name), name, Inner(name, 0, 2048, 1)) for name in names]
    for workers in (1, 2):
        with pytest.raises(FileNotFoundError, match="gone"):
            list(listing.list_planned(iter(plan), workers, []))
    assert not multiprocessing.active_children()


OPTIONS = ConvertOptions(size=16, batch_size=64, workers=2)


def workers_of(pid: int) -> list[int]:
    """Asked of the kernel, since `active_children` is not for other threads."""
    try:
        found = [int(p) for t in Path(f"/proc/{pid}/task").iterdir() for p in (t / "children").read_text().split()]
        return [p for p in found if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
    except OSError:
        return []


@contextmanager
def when_there_are_workers(act: Callable[[int], object], times: int) -> Iterator[list[int]]:
    """While the block runs, act on a worker as soon as a pool for two is complete, so many times; yields those acted on.

    Complete, since Python's own pool may stumble, in a thread of its own, over a worker that dies while it starts another.
    """
    over, seen = threading.Event(), list[int]()

    def watch() -> None:
        while len(seen) < times and not over.wait(0.002):
            found = workers_of(os.getpid())
            if len(found) == 3 and found[0] not in seen:
                time.sleep(0.05)
                seen.append(found[0])
                with suppress(ProcessLookupError):
                    act(found[0])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("times", [1, 2])
def test_a_worker_that_dies_while_it_lists_costs_nothing(source: Path, pools: list[int], times: int) -> None:
    calm = found_with(source, 1)
    with when_there_are_workers(kill, times) as killed:
        assert found_with(source, 2) == calm
    assert len(killed) == times and len(pools) > 1


def test_workers_that_always_die_end_in_an_error_that_names_the_tar(source: Path, tmp_path: Path) -> None:
    with (
        when_there_are_workers(kill, 1000),
        pytest.raises(ConvertError, match=r"died 3 times over the list of ILSVRC2012_img_train.tar/n\d+.tar"),
    ):
        convert(source, tmp_path / "out", OPTIONS)
    assert not multiprocessing.active_children()


def test_ctrl_c_while_workers_list(source: Path, tmp_path: Path) -> None:
    out, calm = tmp_path / "out", tmp_path / "calm"
    with when_there_are_workers(lambda pid: os.kill(os.getpid(), signal.SIGINT), 1), pytest.raises(KeyboardInterrupt):
        convert(source, out, OPTIONS)
    assert not multiprocessing.active_children()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not folder_bytes(out), "nothing had been begun"
    convert(source, out, OPTIONS)
    convert(source, calm, replace(OPTIONS, workers=1))
    assert folder_bytes(out) == folder_bytes(calm)


def test_ctrl_c_on_the_command_line_while_workers_list(source: Path, tmp_path: Path) -> None:
    code = "from alexnet_archive.batches.convert import listing; listing.HERE = 0; listing.TARS_AT_ONCE = 1; "
    code += "from alexnet_archive.cli.main import run; run()"
    arguments = ["convert", str(source), str(tmp_path / "out"), "--size", "16", "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True)
    while not workers_of(process.pid) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Interrupted.exit_code, said
    assert "run the same command again" in said and "Traceback" not in said
    assert not folder_bytes(tmp_path / "out"), "nothing had been begun"


def test_an_error_between_pictures_leaves_no_worker(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who labels the pictures may raise while workers list the next ones."""
    from alexnet_archive.batches.convert import imagenet

    def interrupt(path: str) -> None:
        if multiprocessing.active_children():
            raise KeyboardInterrupt

    monkeypatch.setattr(imagenet, "_file_number", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        found_with(source, 2)
    assert caught.tb and not multiprocessing.active_children()
