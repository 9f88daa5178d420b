"""The release out of a git repository, local or remote, without a git program; every object's id is computed again.

A commit id pins all below it, so content read this way is what the revision names, whoever served it.
Checked against: real repositories made with git, a real git HTTP server, damaged objects (tests).
"""

from __future__ import annotations

import os
import ssl
import stat
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from dulwich.client import HttpGitClient, get_transport_and_path_from_url
from dulwich.errors import NotGitRepository
from dulwich.objects import Commit, Tag, Tree
from dulwich.repo import Repo
from urllib3.exceptions import IncompleteRead

from alexnet_archive.archive.manifests import EXECUTABLE_MODE, FILE_MODE, LINK_MODE, git_id
from alexnet_archive.archive.packguard import check_pack
from alexnet_archive.archive.progress import Progress
from alexnet_archive.archive.sources import Origin
from alexnet_archive.archive.staging import Limits, Stager, refuse
from alexnet_archive.errors import AcquireError, chain

SCHEMES = ("http", "https", "git")
CA_VARIABLES = ("ALEXNET_ARCHIVE_CA_BUNDLE", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
OFFLINE = (
    "without a network: `alexnet-archive acquire --from PATH` takes a clone, a folder, a zip or a tar that you carried here; "
    "behind a proxy: set https_proxy or give --proxy; with a certificate authority of your own: --ca-bundle FILE"
)


@dataclass(frozen=True)
class Network:
    """How to reach a server: a proxy URL (else the usual variables), an extra CA bundle, seconds to wait."""

    proxy: str | None = None
    ca_bundle: Path | None = None
    timeout: float = 30.0

    def manager(self, url: str) -> urllib3.PoolManager:
        """Connections that trust the system's certificate authorities and the extra bundle, through the proxy if any."""
        context = ssl.create_default_context()
        bundle = self.ca_bundle or next((os.environ[v] for v in CA_VARIABLES if os.environ.get(v)), None)
        if bundle:
            try:
                context.load_verify_locations(bundle)
            except (OSError, ssl.SSLError) as error:
                raise AcquireError(
                    f"the CA bundle cannot be used: {error}",
                    path=bundle,
                    remedy="check --ca-bundle, " + ", ".join(CA_VARIABLES),
                ) from error
        settings: dict[str, Any] = {
            "ssl_context": context,
            "timeout": urllib3.Timeout(connect=self.timeout, read=self.timeout),
            "retries": urllib3.Retry(2, redirect=5),
            "headers": {"User-agent": "git/dulwich (alexnet-archive)"},
        }
        proxy = self.proxy or _proxy_from_environment(url)
        return urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)


def _proxy_from_environment(url: str) -> str | None:
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    known = urllib.request.getproxies()
    return known.get(parts.scheme) or known.get("all")


def is_url(source: str) -> bool:
    return "://" in source


def stage_url(
    url: str, stager: Stager, work: Path, wanted: str, network: Network, *, exact: bool, progress: Progress
) -> Origin:
    """Fetch a repository's history into `work` and stage the revision `wanted`; see `stage_repository` for `exact`.

    Raises AcquireError with the offline ways when the server cannot be reached or the download breaks off.
    """
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise AcquireError(f"{url} has a scheme this does not speak", expected=", ".join(SCHEMES), found=scheme)
    work.mkdir()
    repository = Repo.init_bare(str(work))
    try:
        references = _fetch(url, repository, stager.limits, network, progress)
        return stage_repository(repository, url, references, stager, wanted, exact=exact)
    finally:
        repository.close()


def stage_clone(path: Path, stager: Stager, wanted: str, *, exact: bool) -> Origin:
    """Stage the revision `wanted` of a local repository (its objects, not its working tree)."""
    try:
        repository = Repo(str(path))
    except NotGitRepository as error:
        raise AcquireError(f"{path} is not a git repository", path=path) from error
    try:
        return stage_repository(repository, str(path), repository.get_refs(), stager, wanted, exact=exact)
    finally:
        repository.close()


def stage_repository(
    repository: Repo, source: str, references: Mapping[Any, Any], stager: Stager, wanted: str, *, exact: bool
) -> Origin:
    """Stage commit `wanted` (an id, branch or tag). Where it is absent: AcquireError if `exact`, else the default branch.

    The notes of the origin say when another revision than `wanted` was staged.
    """
    name = _resolve(repository, references, wanted)
    notes: tuple[str, ...] = ()
    if name is None:
        tip = references.get(b"HEAD") or next(iter(references.values()), None)
        if exact or tip is None:
            raise AcquireError(
                f"the history of {source} has no revision {wanted}",
                path=source,
                expected=wanted,
                found=", ".join(sorted(_short(r) for r in references))[:300] or "an empty repository",
                remedy="check --revision; without it the recorded revision is looked for, then the default branch",
            )
        name = tip
        notes = (f"the history of {source} does not have the recorded revision {wanted}",)
    commit_id, commit = _commit(repository, name)
    mtime = _commit_time(commit)
    _stage_tree(repository, _tree_of(commit), "", stager, mtime, depth=0)
    return Origin(source, "git", commit_id, commit, notes)


def _fetch(url: str, repository: Repo, limits: Limits, network: Network, progress: Progress) -> dict[bytes, bytes]:
    """Bring every branch and tag into `repository`; the references the server advertised."""
    received = 0
    client, path = _client(url, network)
    stream, commit, abort = repository.object_store.add_pack()

    def count(data: bytes) -> int:
        nonlocal received
        received += len(data)
        if received > limits.received_bytes:
            raise refuse(f"{url} sends too much", expected=f"at most {limits.received_bytes} bytes")
        progress(received, None, "bytes received")
        return stream.write(data)

    try:
        result = client.fetch_pack(path, _wants, repository.get_graph_walker(), count)
        if received:
            stream.seek(0)
            check_pack(stream, limits)
            stream.seek(0, os.SEEK_END)
        (commit if received else abort)()
    except (AcquireError, KeyboardInterrupt):
        abort()
        raise
    except Exception as error:  # a hostile or failing peer surfaces as any of a dozen types
        abort()
        raise _network_error(url, error, received) from error
    return {name: value for name, value in result.refs.items() if value is not None}


def _wants(advertised: Mapping[bytes, bytes], depth: int | None = None) -> list[bytes]:
    return sorted({v for k, v in advertised.items() if k == b"HEAD" or k.startswith((b"refs/heads/", b"refs/tags/"))})


def _client(url: str, network: Network) -> tuple[Any, str]:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in ("http", "https"):
        return HttpGitClient(url, pool_manager=network.manager(url)), parts.path
    return get_transport_and_path_from_url(url)


def _network_error(url: str, error: Exception, received: int) -> AcquireError:
    if isinstance(error, NotGitRepository):
        return AcquireError(f"{url} is not a git repository", path=url, found=str(error), remedy="check --from; " + OFFLINE)
    cause = str(error) or type(error).__name__
    received = _arrived(error, received)
    if received:
        message = f"the download from {url} broke off after {received} bytes"
    else:
        message = f"{url} could not be reached"
    return AcquireError(message, path=url, found=cause[:300], remedy="try again; nothing was placed; " + OFFLINE)


def _arrived(error: Exception, counted: int) -> int:
    """Bytes that came: those that were counted, or those of a read that broke off before anybody was given them."""
    return max(counted, *(int(one.partial or 0) for one in chain(error) if isinstance(one, IncompleteRead)), 0)


def _is_id(name: str) -> bool:
    return len(name) == 40 and all(letter in "0123456789abcdef" for letter in name.lower())


def _short(reference: bytes) -> str:
    return reference.decode("utf-8", "replace").removeprefix("refs/heads/").removeprefix("refs/tags/")


def _resolve(repository: Any, references: Mapping[Any, Any], wanted: str) -> bytes | None:
    if _is_id(wanted):
        name = wanted.lower().encode()
        return name if name in repository.object_store else None
    for prefix in ("refs/tags/", "refs/heads/", "refs/remotes/origin/", ""):
        found = references.get((prefix + wanted).encode())
        if found is not None:
            return found
    return None


def _content(repository: Any, name: bytes) -> tuple[Any, bytes]:
    """An object and its raw content, its id computed again from the bytes."""
    try:
        found = repository.object_store[name]
        raw = found.as_raw_string()
    except KeyError as error:
        raise AcquireError(f"the repository lacks object {name.decode()}", remedy="fetch a full clone and try again") from error
    except Exception as error:  # a damaged object surfaces as zlib, format or checksum errors alike
        raise AcquireError(
            f"object {name.decode()} of the repository is damaged: {error}", found=type(error).__name__
        ) from error
    computed = git_id(found.type_name.decode(), raw)
    if computed != name.decode():
        raise AcquireError("an object of the repository is not what its id says", expected=name.decode(), found=computed)
    return found, raw


def _commit(repository: Repo, name: bytes) -> tuple[str, bytes]:
    for _ in range(8):  # a tag may point to a tag
        found, raw = _content(repository, name)
        if isinstance(found, Commit):
            return name.decode(), raw
        if not isinstance(found, Tag):
            break
        name = found.object[1]
    raise AcquireError(f"{name.decode()} is not a commit", found=found.type_name.decode())


def _tree_of(commit: bytes) -> bytes:
    return Commit.from_string(commit).tree


def _commit_time(commit: bytes) -> int:
    return int(Commit.from_string(commit).commit_time)


def _stage_tree(repository: Repo, name: bytes, prefix: str, stager: Stager, mtime: int, depth: int) -> None:
    if depth > stager.limits.depth:
        raise refuse("the repository's folders are nested too deep", prefix)
    tree, _ = _content(repository, name)
    if not isinstance(tree, Tree):
        raise AcquireError(f"{name.decode()} is not a tree", found=tree.type_name.decode())
    for entry in _entries(tree):
        try:
            path = prefix + entry.path.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refuse(f"the name {entry.path!r} is not UTF-8 text") from error
        if "/" in path[len(prefix) :]:
            raise refuse(f"{path!r} is not a plain name")
        if stat.S_ISDIR(entry.mode):
            _stage_tree(repository, entry.sha, path + "/", stager, mtime, depth + 1)
            continue
        if f"{entry.mode:o}" not in (FILE_MODE, EXECUTABLE_MODE, LINK_MODE):
            raise refuse(f"{path!r} is neither a file, a folder nor a link (a submodule?)", found=oct(entry.mode))
        _, raw = _content(repository, entry.sha)
        if stat.S_ISLNK(entry.mode):
            stager.add_link(path, raw.decode("utf-8", "surrogateescape"), mtime=mtime)
        else:
            stager.add_file(path, [raw], executable=bool(entry.mode & 0o111), mtime=mtime)


def _entries(tree: Tree) -> Iterable[Any]:
    return tree.iteritems(name_order=True)
