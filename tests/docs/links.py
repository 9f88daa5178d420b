"""What a built site refers to: every link with its anchor, and everything that a browser would load by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements whose address a browser fetches without being asked; `link` by its rel.
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src", "audio": "src", "embed": "src",
          "object": "data", "track": "src", "input": "src"}  # fmt: skip
LOADED_RELS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest", "dns-prefetch", "preconnect"}
IN_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
IN_SCRIPTS = re.compile(r"(?:fetch|import|importScripts|open|src|href)\s*(?:\(|=)\s*[\"'`]((?:[a-z]+:)?//[^\"'`]+)", re.I)


@dataclass
class Page(HTMLParser):
    """Links, loaded addresses and anchors of one HTML file."""

    file: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside = ""
        self.feed(self.file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._inside = tag
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and LOADED_RELS & set(values.get("rel", "").lower().split()):
            self.loaded.append(values.get("href", ""))
        if values.get(LOADED.get(tag, "")):
            self.loaded.append(values[LOADED[tag]])
        self.loaded += [part.split()[0] for part in values.get("srcset", "").split(",") if part.strip()]
        self.loaded += in_styles(values.get("style", ""))
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.links.append(values.get("content", "").partition("url=")[2])

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loaded += in_styles(data)
        if self._inside == "script":
            self.loaded += IN_SCRIPTS.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def in_styles(text: str) -> list[str]:
    return [first or second for first, second in IN_STYLES.findall(text)]


def loaded_from(site: Path) -> list[tuple[Path, str]]:
    """(file, address) of everything that any page, style or script of the site loads."""
    found = [(page, address) for page in sorted(site.rglob("*.html")) for address in Page(page).loaded]
    found += [(f, address) for f in sorted(site.rglob("*.css")) for address in in_styles(f.read_text())]
    return found + [(f, address) for f in sorted(site.rglob("*.js")) for address in IN_SCRIPTS.findall(f.read_text())]


def elsewhere(address: str) -> bool:
    """Whether an address leaves the site; `data:` and `about:` are in the file itself."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "about")


def broken(site: Path) -> list[str]:
    """Every link, asset and anchor of the site that leads nowhere inside it; links to other hosts are not followed."""
    pages = {page.resolve(): Page(page) for page in sorted(site.rglob("*.html"))}
    wrong = []
    for file, page in pages.items():
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                wrong.append(f"{file.relative_to(site.resolve())}: {address}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{file.relative_to(site.resolve())}: {address}: no such place on the page")
    for style in sorted(site.rglob("*.css")):
        for address in in_styles(style.read_text()):
            if not elsewhere(address) and not address.startswith(("data:", "#")):
                target = style.parent / unquote(urlsplit(address).path)
                wrong += [] if target.is_file() else [f"{style.relative_to(site)}: {address}: no such file"]
    return wrong
