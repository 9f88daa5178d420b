"""Counting the instructions of a kernel's main loop, on a disassembly small enough to count by hand."""

from __future__ import annotations

from tests.bench.cuda_instructions import loops

FETCH = ["LDG.E R1, desc[UR4][R2.64]", "@P1 BRA `(.L_turned)", "IMAD R9, R9, R9, R9", ".L_turned:", "STS [R3], R1"]
LOOP = ["MOV R0, R1", ".L_loop:", "@!P0 BRA `(.L_last)", *FETCH, ".L_last:", *["FFMA R4, R5, R6, R4"] * 64]
BODY = [*LOOP, "@P0 BRA `(.L_loop)", "EXIT", ".L_end:", "BRA `(.L_end)"]


def disassembly(name: str, body: list[str]) -> str:
    lines = [line if line.startswith(".L") else f"        /*{16 * at:04x}*/  {line} ;" for at, line in enumerate(body)]
    return "\n".join([f"\n.text.{name}:", *lines])


def test_what_is_skipped_inside_what_may_be_skipped_is_not_counted() -> None:
    (loop,) = loops(disassembly("kernel", BODY))
    assert loop.kernel == "kernel"
    assert dict(loop.counts) == {"FFMA": 64, "BRA": 3, "LDG": 1, "STS": 1}
    assert loop.share == 64 / 69


def test_kernels_without_a_multiplying_loop_have_no_row() -> None:
    assert not list(loops(disassembly("copy", [line for line in BODY if "FFMA" not in line])))
