"""Acquiring over HTTP from real git servers: the pinned revision, proxies, certificates, and everything that can fail."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet_archive import archive, paths
from alexnet_archive.archive.gitsource import Network
from alexnet_archive.archive.staging import Limits
from alexnet_archive.errors import AcquireError
from tests.archive_net import trees
from tests.archive_net.conftest import Served, Threaded, git_backend, need_git, serving

Rename = Callable[[str], None]


def nothing_is_left() -> bool:
    folder = paths.original_source().parent
    return not folder.exists() or list(folder.iterdir()) == []


def test_the_recorded_revision_comes_over_http(served: Served, release_names: Rename) -> None:
    release_names(served.first)
    seen: list[tuple[int, int | None, str]] = []
    done = archive.acquire(served.url, progress=lambda *step: seen.append(step))
    identity = done.manifest.identity
    assert (identity.status, identity.revision, identity.source) == ("pinned", served.first, served.url)
    assert trees.state_of(paths.original_source()) == trees.EXPECTED
    assert archive.verify() == [] and archive.fixity.check_ids() == []
    assert any(text == "bytes received" for _, _, text in seen) and seen[-1][2] in trees.EXPECTED
    assert sorted(entry.name for entry in paths.original_source().parent.iterdir()) == ["manifest.toml", "source"]


def test_a_branch_that_moved_on_without_the_revision_is_told(served: Served) -> None:
    with pytest.raises(AcquireError, match="does not have the recorded revision"):
        archive.acquire(served.url)
    assert nothing_is_left()
    done = archive.acquire(served.url, first_seen=True)
    assert done.manifest.identity.status == "first-seen" and (paths.original_source() / "README.md").is_file()


def test_a_tag_over_http(served: Served) -> None:
    identity = archive.acquire(served.url, revision="v1", first_seen=True).manifest.identity
    assert identity.revision == served.first and trees.state_of(paths.original_source()) == trees.EXPECTED


def test_the_same_through_a_proxy(
    served: Served, proxy: tuple[str, list[str]], release_names: Rename, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_names(served.first)
    address, asked = proxy
    archive.acquire(served.url, network=Network(proxy=address))
    assert asked and all(url.startswith(served.url) for url in asked)
    asked.clear()
    monkeypatch.setenv("http_proxy", address)
    archive.acquire(served.url, replace=True)
    assert asked
    asked.clear()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    archive.acquire(served.url, replace=True)
    assert not asked


def test_tls_needs_a_certificate_somebody_vouches_for(
    encrypted: tuple[Served, Path], release_names: Rename, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, bundle = encrypted
    release_names(served.first)
    with pytest.raises(AcquireError, match="could not be reached") as caught:
        archive.acquire(served.url)
    assert "certificate" in str(caught.value.found).lower() and "--ca-bundle" in (caught.value.remedy or "")
    assert nothing_is_left()
    assert archive.acquire(served.url, network=Network(ca_bundle=bundle)).manifest.identity.status == "pinned"
    monkeypatch.setenv("GIT_SSL_CAINFO", str(bundle))
    assert archive.acquire(served.url, replace=True).manifest.identity.status == "pinned"


def test_a_ca_bundle_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("not a certificate")
    for bundle in (tmp_path / "bad.pem", tmp_path / "nowhere.pem"):
        with pytest.raises(AcquireError, match="CA bundle"):
            archive.acquire("https://localhost:1/x", network=Network(ca_bundle=bundle))
    assert nothing_is_left()


def test_a_download_that_breaks_off_leaves_nothing(cut_off: Served, release_names: Rename) -> None:
    release_names(cut_off.first)
    with pytest.raises(AcquireError, match=r"broke off after \d+ bytes") as caught:
        archive.acquire(cut_off.url, network=Network(timeout=5))
    assert "--from PATH" in (caught.value.remedy or "") and nothing_is_left()


def test_a_server_that_sends_too_much_is_cut_off(served: Served) -> None:
    with pytest.raises(AcquireError, match="sends too much"):
        archive.acquire(served.url, limits=Limits(received_bytes=200))
    assert nothing_is_left()


def test_a_repository_that_swells_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    need_git()
    trees.make_repository(tmp_path / "served.git", bare=True, extra={"zeros": b"\0" * 20_000_000})
    server = Threaded(("127.0.0.1", 0), git_backend(tmp_path, []))
    with serving(server) as port, pytest.raises(AcquireError, match="unpacks to too much"):
        archive.acquire(f"http://127.0.0.1:{port}/served.git", limits=Limits(file_bytes=1_000_000), first_seen=True)
    assert nothing_is_left()


def test_what_is_no_repository_and_who_is_not_there_are_told_apart(served: Served) -> None:
    with pytest.raises(AcquireError, match="is not a git repository"):
        archive.acquire(served.url.replace("served.git", "other.git"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(AcquireError, match="could not be reached") as caught:
        archive.acquire(f"http://127.0.0.1:{port}/served.git")
    remedy = caught.value.remedy or ""
    assert "without a network" in remedy and "zip" in remedy and "proxy" in remedy
    with pytest.raises(AcquireError, match="could not be reached"):
        archive.acquire("https://no-such-host.invalid/repository")
    assert nothing_is_left()


def test_a_silent_server_is_not_waited_on_for_ever() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        began = time.monotonic()
        with pytest.raises(AcquireError, match="could not be reached"):
            archive.acquire(f"http://127.0.0.1:{silent.getsockname()[1]}/x", network=Network(timeout=0.3))
        assert time.monotonic() - began < 20
    assert nothing_is_left()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_nothing_or_is_cleared_by_the_next(how: signal.Signals, tmp_path: Path) -> None:
    """The command is stopped while the server is still sending."""
    need_git()
    trees.make_repository(tmp_path / "served.git", bare=True)
    requests: list[str] = []

    class Slow(git_backend(tmp_path, requests)):  # type: ignore[misc]
        def answer(self) -> None:
            if self.command == "POST":
                requests.append("waiting")
                time.sleep(30)
            super().answer()

        do_POST = answer

    with serving(Threaded(("127.0.0.1", 0), Slow)) as port:
        url = f"http://127.0.0.1:{port}/served.git"
        command = [sys.executable, "-c", "from alexnet_archive.cli.main import run; run()", "acquire", "--from", url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
        deadline = time.monotonic() + 30
        while "waiting" not in requests and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "waiting" in requests
        process.send_signal(how)
        process.communicate(timeout=20)
    assert process.returncode != 0 and not paths.original_source().exists()
    if how == signal.SIGINT:
        assert nothing_is_left()
    archive.acquire(str(trees.make_folder(tmp_path / "tree")), first_seen=True)
    assert sorted(entry.name for entry in paths.original_source().parent.iterdir()) == ["manifest.toml", "source"]


def test_the_command_end_to_end(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from alexnet_archive.cli.main import run; run()"]
    done = subprocess.run(
        [*command, "acquire", "--from", served.url, "--first-seen", "--json"],
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["status"] == "first-seen" and facts["swhid_revision"].startswith("swh:1:rev:")
    done = subprocess.run([*command, "verify", "--ids"], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0 and "untouched" in done.stdout and "FIRST SEEN" in done.stdout
