"""Turn CUDA kernel launches into calls of the CPU run-time, as text, for the units that g++ is to compile.

`kernel<T...><<<grid, block[, shared[, stream]]>>>(arguments);` becomes
`COMPANION_LAUNCH(grid, block, shared, stream, kernel<T...>)(arguments);` and `extern __shared__ T name[];` becomes a pointer
to the block's dynamic shared memory (companion-native 7.3, 7.4). Line numbers stay, nothing is written: the caller gets the
new text and a record of each change. Checked against the forms listed in section 7.4; held by
`tests/unit/assembly/test_launches.py`, and by compiling and running the result in `tests/unit/companion`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from alexnet_archive.errors import BuildError


@dataclass(frozen=True)
class Launch:
    """One launch as it stood: 1-based line, the kernel with its template arguments, and the launch configuration."""

    line: int
    kernel: str
    grid: str
    block: str
    shared: str
    stream: str


@dataclass(frozen=True)
class SharedArray:
    """One `extern __shared__` array that became a pointer."""

    line: int
    type: str
    name: str


@dataclass(frozen=True)
class Rewritten:
    """New text and what was changed in it, in order of appearance."""

    text: str
    launches: tuple[Launch, ...]
    shared_arrays: tuple[SharedArray, ...]

    @property
    def changed(self) -> bool:
        return bool(self.launches or self.shared_arrays)

    def record(self) -> dict[str, Any]:
        """As plain values, for the build record."""
        return {
            "launches": [asdict(launch) for launch in self.launches],
            "shared_arrays": [asdict(array) for array in self.shared_arrays],
        }


@dataclass(frozen=True)
class _Token:
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


# Comments, literals (raw strings too) and preprocessor lines are passed over as a whole; the rest are names, numbers, the
# brackets of a launch, and single characters.
_TOKENS = re.compile(
    r"""
      (?P<directive> ^[ \t]*\#(?:\\\r?\n|/\*.*?\*/|[^\n])* )
    | (?P<skip> [^\S\n]+ | \n | //(?:\\\r?\n|[^\n])* | /\*.*?\*/ )
    | (?P<raw> (?:u8|[uUL])?R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)" )
    | (?P<literal> (?:u8|[uUL])?"(?:\\.|[^"\\\n])*" | (?:[uUL])?'(?:\\.|[^'\\\n])*' )
    | (?P<name> [A-Za-z_]\w* )
    | (?P<number> \.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])* )
    | (?P<open> <<< ) | (?P<close> >>> ) | (?P<scope> :: )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_CLOSING = set(_PAIRS.values())


def rewrite_launches(text: str, *, path: str | None = None) -> Rewritten:
    """The text with every launch and every dynamic shared array rewritten.

    `path` is named in errors only. Raises BuildError where a `<<<` is no launch statement, or stands inside a macro.
    """
    return _Rewriter(text, path).run()


class _Rewriter:
    def __init__(self, text: str, path: str | None) -> None:
        self.text = text
        self.path = path
        self.tokens = self._tokens()
        self.launches: list[Launch] = []
        self.arrays: list[SharedArray] = []
        self.edits: list[tuple[int, int, str]] = []

    def _tokens(self) -> list[_Token]:
        tokens = []
        for match in _TOKENS.finditer(self.text):
            if match.lastgroup == "directive" and "<<<" in match.group():
                raise self._error("a kernel launch inside a preprocessor line cannot be rewritten", match.start())
            if match.lastgroup not in ("skip", "directive"):
                tokens.append(_Token(match.group(), match.start()))
        return tokens

    def run(self) -> Rewritten:
        index = 0
        while index < len(self.tokens):
            token = self.tokens[index]
            if token.text == "<<<":
                index = self._launch(index)
            elif token.text == "extern" and self._text_at(index + 1) == "__shared__":
                index = self._shared_array(index)
            else:
                index += 1
        parts, last = [], 0
        for start, end, new in self.edits:
            parts += [self.text[last:start], new]
            last = end
        parts.append(self.text[last:])
        return Rewritten("".join(parts), tuple(self.launches), tuple(self.arrays))

    # -- launches

    def _launch(self, opening: int) -> int:
        """Rewrite the launch whose `<<<` is token `opening`; the index after its closing parenthesis."""
        first = self._kernel_start(opening)
        configuration, closing = self._configuration(opening)
        if self._text_at(closing + 1) != "(":
            raise self._error("a launch without arguments in parentheses", self.tokens[opening].start)
        last = self._matching(closing + 1)
        if self._text_at(last + 1) != ";":
            raise self._error("a launch that is no statement of its own", self.tokens[opening].start)
        if len(configuration) not in (2, 3, 4):
            raise self._error(
                f"a launch configuration of {len(configuration)} parts; 2 to 4 are known", self.tokens[opening].start
            )
        grid, block, shared, stream = (*configuration, *("0", "0")[len(configuration) - 2 :])
        start = self.tokens[first].start
        kernel = self._span(first, opening)
        new = f"COMPANION_LAUNCH({grid}, {block}, {shared}, {stream}, {kernel})"
        # Lines that the configuration took with it come back before the arguments, so that later lines keep their numbers.
        lost = self.text.count("\n", start, self.tokens[closing].end) - new.count("\n")
        self.edits.append((start, self.tokens[closing].end, new + "\n" * lost))
        self.launches.append(Launch(self._line(start), _one_line(kernel), *map(_one_line, (grid, block, shared, stream))))
        return closing + 1

    def _kernel_start(self, opening: int) -> int:
        """The token at which the kernel's name begins, before its template arguments and scopes."""
        index = opening - 1
        if self._text_at(index).endswith(">"):
            depth, index = self._open_angle(index)
            if depth != 0:
                raise self._error("template arguments without a beginning before a launch", self.tokens[opening].start)
            index -= 1
        if not _is_name(self._text_at(index)):
            raise self._error("a launch without a kernel's name before it", self.tokens[opening].start)
        while self._text_at(index - 1) == "::":
            index -= 1
            if _is_name(self._text_at(index - 1)) and self._text_at(index - 1) not in ("return", "else", "do"):
                index -= 1
        before = self._text_at(index - 1)
        if before not in ("", ";", "{", "}", ")", ":", "else", "do"):
            raise self._error(f"a launch that is no statement of its own (after '{before}')", self.tokens[opening].start)
        return index

    def _open_angle(self, index: int) -> tuple[int, int]:
        """Walk back from a closing `>` to its `<`, over nested ones and over whatever stands in parentheses."""
        depth = 0
        while index >= 0:
            text = self.tokens[index].text
            if text in (">", ">>>"):
                depth += len(text)
            elif text in ("<", "<<<"):
                depth -= len(text)
            elif text in _CLOSING:
                index = self._matching_back(index)
            elif text in (";", "{"):
                break
            if depth <= 0:
                return depth, index
            index -= 1
        return depth, index

    def _configuration(self, opening: int) -> tuple[list[str], int]:
        """The comma-separated parts between `<<<` and `>>>`, and the token of the latter."""
        parts: list[str] = []
        index = begin = opening + 1
        angles = 0
        while index < len(self.tokens):
            token = self.tokens[index]
            if token.text in _PAIRS:
                index = self._matching(index)
            elif token.text == ">>>" and angles == 0:
                parts.append(self._span(begin, index))
                return parts, index
            elif token.text == "," and angles == 0:
                parts.append(self._span(begin, index))
                begin = index + 1
            elif token.text == "<":
                angles += self._is_template_name(index - 1)
            elif token.text in (">", ">>>"):
                angles = max(0, angles - len(token.text))
            elif token.text in (";", "<<<"):
                break
            index += 1
        raise self._error("a launch whose `<<<` has no `>>>`", self.tokens[opening].start)

    def _is_template_name(self, index: int) -> int:
        """1 if the `<` after this token opens template arguments: a cast, or a name whose `<` closes before the launch does."""
        text = self._text_at(index)
        if text in ("static_cast", "reinterpret_cast", "const_cast", "sizeof"):
            return 1
        if not _is_name(text):
            return 0
        depth = 1
        for token in self.tokens[index + 2 :]:
            if token.text == "<":
                depth += 1
            elif token.text == ">":
                depth -= 1
            elif token.text in (">>>", ";", ")", "&", "|"):
                return 0
            if depth == 0:
                return 1
        return 0

    # -- shared memory

    def _shared_array(self, index: int) -> int:
        """Rewrite `extern __shared__ [volatile] T name[];` at token `index`; the index after it."""
        end = index
        while end < len(self.tokens) and self.tokens[end].text != ";":
            end += 1
        declared = [token.text for token in self.tokens[index + 2 : end]]
        *kinds, name, opening, closing = declared if len(declared) >= 4 else [",", "", "", ""]
        if opening + closing != "[]" or not _is_name(name) or {",", "[", "="} & set(kinds):
            raise self._error(
                "a dynamic shared array of another form than `extern __shared__ T name[];`", self.tokens[index].start
            )
        kind = " ".join(kinds)
        start, stop = self.tokens[index].start, self.tokens[end - 1].end
        new = f"{kind}* const {name} = static_cast<{kind}*>(::companion_cpu::dynamicShared())"
        self.edits.append((start, stop, new + "\n" * self.text.count("\n", start, stop)))
        self.arrays.append(SharedArray(self._line(start), kind, name))
        return end

    # -- walking

    def _span(self, first: int, end: int) -> str:
        """The text of tokens [first, end), without the comments around it."""
        return self.text[self.tokens[first].start : self.tokens[end - 1].end] if first < end else ""

    def _text_at(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def _matching(self, index: int) -> int:
        """The token that closes the bracket at `index`."""
        depth = 0
        for i in range(index, len(self.tokens)):
            depth += (self.tokens[i].text in _PAIRS) - (self.tokens[i].text in _CLOSING)
            if depth == 0:
                return i
        raise self._error("a bracket without its partner", self.tokens[index].start)

    def _matching_back(self, index: int) -> int:
        depth = 0
        for i in range(index, -1, -1):
            depth += (self.tokens[i].text in _CLOSING) - (self.tokens[i].text in _PAIRS)
            if depth == 0:
                return i
        raise self._error("a bracket without its partner", self.tokens[index].start)

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    def _error(self, message: str, position: int) -> BuildError:
        line = self._line(position)
        return BuildError(
            f"line {line}: {message}",
            path=None if self.path is None else f"{self.path}:{line}",
            expected="kernel<T...><<<grid, block[, shared[, stream]]>>>(arguments);",
            found=self.text.splitlines()[line - 1].strip(),
            remedy="the CPU flavour cannot build this file; report it with the file's revision",
        )


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_]\w*", text))


def _one_line(text: str) -> str:
    return " ".join(text.split())
