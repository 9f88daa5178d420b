"""The stand-in release of this project goes through the same gate as the release."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_archive import archive
from alexnet_archive.archive import inventory
from alexnet_archive.archive.inventory import NOBODY
from alexnet_archive.errors import AcquireError


def test_the_standin_is_acquired_only_as_first_seen_and_lacks_nothing_we_do_not_supply(root: Path) -> None:
    standin = root / "tests" / "standin"
    with pytest.raises(AcquireError, match="vouched"):
        archive.acquire(str(standin))
    done = archive.acquire(str(standin), first_seen=True)
    assert done.manifest.identity.status == "first-seen" and archive.verify() == []
    taken = inventory.take()
    assert [need.name for need in taken.needs if need.supplier == NOBODY] == []
    assert {need.kind for need in taken.needs} >= {"header", "python", "extension"}
