"""What a checkout holds: nothing that a command writes, and nothing large by accident."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

LARGEST = 1 << 20


def test_no_tracked_file_is_large_and_none_is_a_commands_output(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("this is no checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.decode()
    tracked = [root / name for name in listed.split("\0") if name]
    there = [path for path in tracked if path.is_file()]
    assert len(there) > 300
    assert not [path for path in there if path.stat().st_size > LARGEST]
    assert not [path for path in there if path.name in ("batches.meta", ".alexnet-archive-demo")]
