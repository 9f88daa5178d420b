"""Worker threads, per-thread scratch and reused buffers: what makes NumPy fast without changing a bit of the result.

Every layer cuts its work into chunks whose borders do not depend on the number of workers, and no two chunks write to
the same place, so any number of workers gives the same bits (checked by tests/unit/engines/test_determinism.py).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import DTypeLike, NDArray

Block = NDArray[Any]


class Workers:
    """A pool of threads over which `each` spreads numbered chunks; BLAS is held to one thread per worker."""

    def __init__(self, count: int | None = None) -> None:
        self.count = max(1, count if count is not None else len(os.sched_getaffinity(0)))
        self._helpers = ThreadPoolExecutor(self.count - 1, "reference") if self.count > 1 else None
        self._local = threading.local()
        self._blas = threadpoolctl.ThreadpoolController()

    @contextlib.contextmanager
    def single_blas(self) -> Iterator[None]:
        """Limit BLAS to one thread: with more, the summation order would follow the machine's core count."""
        with self._blas.limit(limits=1, user_api="blas"):
            yield

    def each(self, function: Callable[[int], None], chunks: int) -> None:
        """Call `function(0)` … `function(chunks - 1)`, in any order, on all workers; the first error is raised."""
        counter = itertools.count()

        def drain() -> None:
            # Overflow and NaN are judged once, at the costs, with the layer named.
            with np.errstate(all="ignore"):
                while (chunk := next(counter)) < chunks:
                    function(chunk)

        extra = 0 if self._helpers is None else min(self.count, chunks) - 1
        helpers = [self._helpers.submit(drain) for _ in range(extra) if self._helpers is not None]
        try:
            drain()
        finally:
            errors = [error for helper in helpers if (error := helper.exception()) is not None]
        if errors:
            raise errors[0]

    def ranges(self, function: Callable[[int, int], None], total: int, size: int) -> None:
        """Cut [0, total) into runs of `size` (the last shorter) and call `function(start, stop)` for each."""
        size = max(1, size)
        self.each(lambda k: function(k * size, min(total, (k + 1) * size)), -(-total // size))

    def scratch(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Block:
        """This thread's buffer `name`, content undefined; the next call with the same name reuses it."""
        need = math.prod(shape)
        held: dict[str, Block] = self._local.__dict__
        if name not in held or held[name].size < need or held[name].dtype != dtype:
            held[name] = np.empty(need, dtype)
        return held[name][:need].reshape(shape)

    def close(self) -> None:
        if self._helpers is not None:
            self._helpers.shutdown()


class Pool:
    """Buffers for activations and gradients, reused from minibatch to minibatch.

    Fresh memory costs a page fault every 4 KiB, which at this size of activations is as dear as the arithmetic.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self._free: list[Block] = []
        self._lent: dict[int, Block] = {}

    def take(self, shape: tuple[int, ...]) -> Block:
        """An array of `shape`, content undefined: the smallest free buffer that fits and is not four times too large."""
        need = math.prod(shape)
        fits = [b for b in self._free if need <= b.size <= 4 * need]
        if fits:
            flat = min(fits, key=lambda b: b.size)
            self._free = [b for b in self._free if b is not flat]
        else:
            flat = np.empty(need, self.dtype)
        self._lent[id(flat)] = flat
        return flat[:need].reshape(shape)

    def give(self, array: Block | None) -> None:
        """Hand back an array got from `take`; arrays of other origin are left alone."""
        if array is not None and id(array.base) in self._lent:
            self._free.append(self._lent.pop(id(array.base)))
