"""The CUDA flavour against the reference engine's layers: the tests of tests/native/test_conv_reference.py, whose fixture
`call` is here the CUDA flavour."""

from __future__ import annotations

import pytest

from tests.native import test_conv_reference as shared

pytestmark = pytest.mark.gpu
context = shared.context
TESTS = {name: value for name, value in vars(shared).items() if name.startswith("test_")}
globals().update(TESTS)
assert len(TESTS) > 10
