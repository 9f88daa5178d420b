"""The only code that locates the top-level folders, in a checkout or inside an installed package."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
ROOT_VARIABLE = "ALEXNET_ARCHIVE_ROOT"


def checkout() -> Path | None:
    """The repository this package runs from, or None when it was installed from a wheel."""
    root = PACKAGE.parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "patches" / "companion").is_dir() else None


def house() -> Path:
    """Folder that holds the read-only data of the project: original/, patches/, docker/."""
    return checkout() or PACKAGE / "_house"


def archive_root() -> Path:
    """Folder that holds what a user acquires and builds.

    `ALEXNET_ARCHIVE_ROOT` decides if set; else the checkout; else the user's data folder.
    """
    given = os.environ.get(ROOT_VARIABLE)
    if given:
        return Path(given).resolve()
    return checkout() or Path(platformdirs.user_data_dir("alexnet-archive"))


def release_facts() -> Path:
    """Identity of the release: where it is published and what its ids are."""
    return house() / "original" / "release.toml"


def original_source() -> Path:
    """Where the acquired release lies; read by `archive` and `assembly`, written by no one but `archive.acquire`."""
    return archive_root() / "original" / "source"


def original_manifest() -> Path:
    """The record of every byte of the acquired release."""
    return archive_root() / "original" / "manifest.toml"


def builds() -> Path:
    """Where `build` puts modules and their records."""
    return archive_root() / "build"


def companion() -> Path:
    """The missing half, as sources."""
    return house() / "patches" / "companion"


def patches() -> Path:
    """Everything that goes with the original: the series, the companion, the lists of differences."""
    return house() / "patches"


def docker() -> Path:
    """The pinned toolchains."""
    return house() / "docker"


def nets() -> Path:
    """Our own definitions and parameters."""
    return PACKAGE / "layerdefs" / "nets"


def exhibit_page() -> Path:
    """The built front end of the interactive exhibit: what `make exhibit` made in a checkout, else what the wheel brought."""
    root = checkout()
    return root / "exhibit" / "dist" if root else PACKAGE / "_house" / "exhibit"


def cache() -> Path:
    """What can be made again at any time."""
    return Path(platformdirs.user_cache_dir("alexnet-archive"))
