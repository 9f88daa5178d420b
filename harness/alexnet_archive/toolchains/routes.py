"""How this machine reaches its package sources: as a user names them, and as one row's image is built by way of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alexnet_archive.toolchains.table import Toolchain


@dataclass(frozen=True)
class Route:
    """How this machine reaches its package sources. None of it decides what gets into an image: the pins do."""

    bases: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: bytes = b""
    mirror: str | None = None
    security_mirror: str | None = None
    index: str | None = None
    proxy: str | None = None
    network: str | None = None

    def arguments(self) -> dict[str, str]:
        """Build arguments; proxies are those that every builder knows and keeps out of the image's history."""
        out = {f"BASE_{suite.upper()}": image for suite, image in self.bases.items()}
        out |= self.environment()
        return out

    def environment(self) -> dict[str, str]:
        named = {"DEBIAN_MIRROR": self.mirror, "DEBIAN_SECURITY_MIRROR": self.security_mirror, "INDEX_URL": self.index}
        if self.proxy:
            named |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self.proxy)
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Sources:
    """What a user may name: base images as IMAGE (of the row's own suite) or SUITE=IMAGE, and where packages come from.

    `ca_bundle` is a PEM file; without `proxy` the environment's https_proxy or http_proxy holds.
    """

    base: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    mirror: str | None = None
    security_mirror: str | None = None
    index: str | None = None
    proxy: str | None = None
    network: str | None = None

    def route(self, row: Toolchain) -> Route:
        """The way to build this row."""
        bases = {}
        for given in self.base:
            suite, equals, image = given.partition("=")
            bases.update({suite: image} if equals else {row.suite.name: given})
        environment = {name.lower(): value for name, value in os.environ.items()}
        return Route(
            bases=bases,
            ca_bundle=self.ca_bundle.read_bytes() if self.ca_bundle else b"",
            mirror=self.mirror,
            security_mirror=self.security_mirror,
            index=self.index,
            proxy=self.proxy or environment.get("https_proxy") or environment.get("http_proxy"),
            network=self.network,
        )
