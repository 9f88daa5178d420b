"""The scanner of includes, imports and build names: what it sees, what it sets aside; a law over made-up sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.archive import scan
from alexnet_archive.archive.scan import Want


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("#include <vector>\n", ["vector"]),
        ('  #  include   "net.cuh"  // why\n', ["net.cuh"]),
        ("#include<a.h>\r\n#include <b.h>\r\n", ["a.h", "b.h"]),
        ("// #include <no.h>\n/* #include <no.h>\n#include <no.h> */\n#include <yes.h>\n", ["yes.h"]),
        ('const char* u = "http://x"; /* "*/\n#include <yes.h>\n', ["yes.h"]),
        ('const char* t = "/*";\n#include <yes.h>\nconst char* e = "*/";\n', ["yes.h"]),
        ("char quote = '\"';\n#include <yes.h>\n", ["yes.h"]),
        ('const char* s = "#include <no.h>";\n', []),
        ("#if 0\n#include <also.h>\n#endif\n", ["also.h"]),
        ("#define include <no.h>\n", []),
    ],
)
def test_includes(text: str, names: list[str]) -> None:
    assert list(scan.includes(text.replace("\r\n", "\n"))) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import os, sys as s\n", ["os", "sys"]),
        ("import numpy.random as nr, pylab\n", ["numpy", "pylab"]),
        ("from util import *\n", ["util"]),
        ("from a.b import (c,\n  d)\n", ["a"]),
        ("try: import cPickle\nexcept ImportError: pass\n", ["cPickle"]),
        ("x = 1; import late\n", ["late"]),
        ("import one, \\\n    two\n", ["one", "two"]),
        ("# import no\n'''\nimport no\n'''\nimport yes\n", ["yes"]),
        ('"""from no import x"""\ns = "import no"\n', []),
        ("print 'an old statement', `x`, 0777\nimport yes\n", ["yes"]),
        ("    import inner\n", ["inner"]),
        ("from . import sibling\n", []),
        ("important = 3\nfromage = 4\n", []),
        ("s = 'it''s # no comment'\nimport yes # a comment\n", ["yes"]),
    ],
)
def test_imports(text: str, names: list[str]) -> None:
    assert list(scan.imports(text)) == names


def test_extensions_are_names_handed_to_import() -> None:
    text = "lib = '_Net_fast' if fast else '_Net'\nm = __import__(lib)\n"
    assert sorted(scan.extensions(text)) == ["_Net", "_Net_fast"]
    assert list(scan.extensions("lib = '_Net'  # no __import__ here\n")) == []


def test_only_what_the_release_does_not_hold_is_wanted() -> None:
    files = {
        "include/net.cuh": b'#include "part.cuh"\n#include <vector>\n#include <gone.cuh>\n',
        "include/part.cuh": b"",
        "src/net.cu": b'#include "net.cuh"\n#include "../include/part.cuh"\n#include <gone.cuh>\n',
        "main.py": b"import helper\nimport package\nimport gone\n",
        "helper.py": b"",
        "package/__init__.py": b"import helper\nimport sibling\n",
        "package/sibling.py": b"",
        "build.sh": b"# Makefile-old\nmake -f Makefile-all\ncp $X/lost.cu src/net.cu .\n",
        "notes.txt": b"#include <nothing.h>\nimport nothing\n",
    }
    assert scan.scan(files) == [
        Want("header", "gone.cuh", "include/net.cuh"),
        Want("header", "gone.cuh", "src/net.cu"),
        Want("header", "vector", "include/net.cuh"),
        Want("python", "gone", "main.py"),
        Want("build", "Makefile-all", "build.sh"),
        Want("build", "lost.cu", "build.sh"),
    ]


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in ("import", "from", "as"))


@given(st.lists(st.tuples(NAMES, st.booleans()), max_size=8))
def test_exactly_the_live_includes_are_seen(lines: list[tuple[str, bool]]) -> None:
    text = "".join(
        f"#include <{name}.h>\n" if live else f"/* a\n#include <{name}.h>\n*/ // #include <{name}.h>\n" for name, live in lines
    )
    assert list(scan.includes(text)) == [f"{name}.h" for name, live in lines if live]


@given(
    st.lists(st.tuples(NAMES, st.sampled_from(["import {}", "from {} import x", "s = 'import {}'", "# import {}"])), max_size=8)
)
def test_exactly_the_live_imports_are_seen(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(form.format(name) for name, form in lines)
    assert list(scan.imports(text)) == [name for name, form in lines if form[0] in "if"]
