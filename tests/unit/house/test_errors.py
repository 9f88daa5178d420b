"""The tree of errors: every branch has its own exit code, and none collides with click's or the shell's."""

from __future__ import annotations

import inspect

from alexnet_archive import errors


def test_exit_codes_are_distinct() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.ArchiveError)]
    own = [c.exit_code for c in classes if "exit_code" in vars(c)]
    assert len(own) == len(set(own))
    assert 2 not in own and 0 not in own
    assert all(1 <= code <= 130 for code in own)


def test_an_error_carries_its_facts() -> None:
    error = errors.CheckpointError("broken", path="a/b", expected=1, found=2, remedy="mend it")
    assert error.facts() == {
        "error": "CheckpointError", "exit_code": errors.CheckpointError.exit_code, "message": "broken", "path": "a/b",
        "expected": "1", "found": "2", "remedy": "mend it",
    }  # fmt: skip
    assert "a/b" in str(error) and "expected: 1" in str(error)
