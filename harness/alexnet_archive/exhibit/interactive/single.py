"""The whole exhibit as one page that opens with a double click: scripts and styles in it, every other file as base64.

contract.ts says how the page finds them. Its Content-Security-Policy names each script and style by its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from alexnet_archive.errors import ArchiveError
from alexnet_archive.exhibit.interactive.target import SINGLE

_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="(?:\./)?([^"]+)"[^>]*></script>')
_STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*>')
_PRELOAD = re.compile(r'\s*<link\b[^>]*\brel="modulepreload"[^>]*>')
_HREF = re.compile(r'\bhref="(?:\./)?([^"]+)"')
_POLICY = re.compile(r'<meta\s+http-equiv="Content-Security-Policy"\s+content="[^"]*"\s*/?>')
_HTML = re.compile(r"<html\b")


def single_page(files: Mapping[str, bytes]) -> bytes:
    """One page made of the files of a folder. Raises ArchiveError for a front end that was not built as contract.ts says."""
    page = files["index.html"].decode("utf-8")
    inlined: set[str] = {"index.html"}
    hashes: dict[str, list[str]] = {"script": [], "style": []}

    def script(match: re.Match[str]) -> str:
        inlined.add(match[1])
        text = re.sub(r"</(script)", r"<\\/\1", _text(files, match[1]), flags=re.IGNORECASE).replace("<!--", "<\\!--")
        hashes["script"].append(_hash(text))
        return f'<script type="module">{text}</script>'

    def style(match: re.Match[str]) -> str:
        found = _HREF.search(match[0])
        if found is None:
            raise ArchiveError("the page links a style sheet without an address", found=match[0])
        inlined.add(found[1])
        text = _text(files, found[1])
        hashes["style"].append(_hash(text))
        return f"<style>{text}</style>"

    page = _STYLE.sub(style, _SCRIPT.sub(script, _PRELOAD.sub("", page)))
    if len(hashes["script"]) != 1 or _POLICY.search(page) is None or "</body>" not in page:
        raise ArchiveError(
            "the built page cannot become one file", expected="one script, a Content-Security-Policy and a body",
            found=f"{len(hashes['script'])} scripts", remedy="build it anew: make exhibit",
        )  # fmt: skip
    page = _POLICY.sub(lambda _: f'<meta http-equiv="Content-Security-Policy" content="{_policy(hashes)}">', page)
    page = _HTML.sub('<html data-single="yes"', page, count=1)
    rest = [f'<script type="text/plain" data-file="{name}">{_base64(data)}</script>\n'
            for name, data in files.items() if name not in inlined]  # fmt: skip
    before, after = page.split("</body>", 1)
    doctype, _, head = before.partition("\n")
    return f"{doctype}\n{SINGLE.decode()}\n{head}{''.join(rest)}</body>{after}".encode()


def _policy(hashes: Mapping[str, list[str]]) -> str:
    """Nothing is fetched: pictures and films come from the page's own memory, WebAssembly is compiled from its bytes."""
    scripts, styles = (" ".join(hashes[kind]) for kind in ("script", "style"))
    return (
        f"default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; style-src {styles}; img-src data: blob:; "
        "media-src blob:; font-src data:; connect-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
    )


def _text(files: Mapping[str, bytes], name: str) -> str:
    if name not in files:
        raise ArchiveError(f"the built page names {name}, which is not there", remedy="build it anew: make exhibit")
    return files[name].decode("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
