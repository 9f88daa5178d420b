"""The GPU tier: one build for this machine's GPUs and one process to call it, shared by all tests. Without a GPU each fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.companion import Conversation, build, released
from tests.cuda import gpu_options, missing


@pytest.fixture(scope="session")
def options() -> list[str]:
    """CMake options of the CUDA flavour here; fails, never skips, where the tier cannot run."""
    lacking = missing()
    if lacking:
        pytest.fail("; ".join(lacking), pytrace=False)
    found = gpu_options()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def cuda(options: list[str]) -> Path:
    """The whole CUDA flavour with its conformance programs."""
    return build("tests-gpu", *options)


@pytest.fixture(scope="session")
def cpu(options: list[str]) -> Iterator[Conversation]:
    """The CPU flavour, with which the CUDA flavour is compared."""
    conversation = Conversation(released())
    yield conversation
    conversation.close()


@pytest.fixture(scope="session")
def call(cuda: Path) -> Iterator[Conversation]:
    """Functions of the CUDA flavour by name."""
    conversation = Conversation(cuda)
    yield conversation
    conversation.close()
