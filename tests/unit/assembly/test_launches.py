"""The launch rewriter against every form that companion-native 7.4 lists, and against text that only looks like a launch."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_archive.assembly.launches import rewrite_launches
from alexnet_archive.errors import BuildError


def one(text: str) -> str:
    result = rewrite_launches(text)
    assert len(result.launches) == 1
    return result.text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("k<<<b, t>>>(a, c);", "COMPANION_LAUNCH(b, t, 0, 0, k)(a, c);"),
        ("k<true><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, k<true>)(a);"),
        ("k<128, false><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, k<128, false>)(a);"),
        ("k<32><<<b, t, 4*(32 + c)>>>(a);", "COMPANION_LAUNCH(b, t, 4*(32 + c), 0, k<32>)(a);"),
        ("k<<<b, t, 0, s>>>();", "COMPANION_LAUNCH(b, t, 0, s, k)();"),
        ("k<A<B> ><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, k<A<B> >)(a);"),
        ("k<A<B>><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, k<A<B>>)(a);"),
        ("k<A<B<C>>><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, k<A<B<C>>>)(a);"),
        ("k<A<B<C<D>>>><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, k<A<B<C<D>>>>)(a);"),
        ("ns::k<(1 > 0)><<<b, t>>>(a);", "COMPANION_LAUNCH(b, t, 0, 0, ns::k<(1 > 0)>)(a);"),
        ("::k<<<dim3(1, 2), f(x, y)[3]>>>(a);", "COMPANION_LAUNCH(dim3(1, 2), f(x, y)[3], 0, 0, ::k)(a);"),
        ("k<<<std::min<int>(a, b), t>>>(x);", "COMPANION_LAUNCH(std::min<int>(a, b), t, 0, 0, k)(x);"),
        ("k<<<min<int, long>(a, b), t>>>(x);", "COMPANION_LAUNCH(min<int, long>(a, b), t, 0, 0, k)(x);"),
        ("k<<<a < c ? 1 : 2, t>>>(x);", "COMPANION_LAUNCH(a < c ? 1 : 2, t, 0, 0, k)(x);"),
        ("k<<<n >> 2, t << 1>>>(x);", "COMPANION_LAUNCH(n >> 2, t << 1, 0, 0, k)(x);"),
        ("if (x) k<<<b, t>>>(a); else k2();", "if (x) COMPANION_LAUNCH(b, t, 0, 0, k)(a); else k2();"),
        ("{k /* why */ <<<b, t>>> /* how */ (a) ;}", "{COMPANION_LAUNCH(b, t, 0, 0, k) /* how */ (a) ;}"),
    ],
)
def test_forms(source: str, expected: str) -> None:
    assert one(source) == expected


def test_a_launch_over_several_lines_keeps_the_lines_that_follow() -> None:
    source = 'k<128,\n  true><<<blocks, // grid\n   threads // block\n  >>>(a,\n   "; >>> (",\n   b);\nint next;\n'
    result = rewrite_launches(source)
    assert result.text.count("\n") == source.count("\n")
    lines = result.text.splitlines()
    assert lines.index("int next;") == source.splitlines().index("int next;")
    launch = result.launches[0]
    assert (launch.line, launch.kernel, launch.grid, launch.block) == (1, "k<128, true>", "blocks", "threads")


@pytest.mark.parametrize(
    "source",
    [
        "// k<<<b, t>>>(a);\n",
        "/* k<<<b,\n t>>>(a); */",
        'const char* s = "k<<<b, t>>>(a);";',
        'const char* s = R"x(k<<<b, t>>>(a); )" )x";',
        "// continued \\\nk<<<b, t>>>(a);\n",
        "int c = '\\'', d = '\"';  // k<<<1, 2>>>(3)\n",
        "std::cout << x << (y >> 3);",
        "",
    ],
)
def test_text_without_launches_is_left_alone(source: str) -> None:
    result = rewrite_launches(source)
    assert result.text == source
    assert not result.changed


def test_launches_are_recorded_in_order_with_lines() -> None:
    text = "void f() {\n  a<<<1, 2>>>(x);\n\n  b<3><<<g, t, s>>>(x);\n}\n"
    record = rewrite_launches(text).record()
    assert [launch["line"] for launch in record["launches"]] == [2, 4]
    assert record["launches"][1] == {
        "line": 4, "kernel": "b<3>", "grid": "g", "block": "t", "shared": "s", "stream": "0",
    }


def test_a_dynamic_shared_array_becomes_a_pointer() -> None:
    source = "template <int B> void k() {\n    extern __shared__ volatile float shmem[];\n    shmem[0] = B;\n}\n"
    result = rewrite_launches(source)
    assert "extern" not in result.text
    assert (
        "    volatile float* const shmem = static_cast<volatile float*>(::companion_cpu::dynamicShared());\n" in result.text
    )
    assert [(array.line, array.type, array.name) for array in result.shared_arrays] == [(2, "volatile float", "shmem")]


def test_a_static_shared_array_is_left_to_the_header() -> None:
    source = "__shared__ float tile[32][33];\n"
    assert rewrite_launches(source).text == source


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n\nx = k<<<b, t>>>(a);", "line 3"),
        ("k<<<b, t>>>(a), f();", "no statement of its own"),
        ("k<<<b>>>(a);", "1 parts"),
        ("k<<<a, b, c, d, e>>>(a);", "5 parts"),
        ("k<<<b, t>>>;", "without arguments"),
        ("k<<<b, t(a);", "no `>>>`"),
        ("(k)<<<b, t>>>(a);", "without a kernel's name"),
        ("#define GO k<<<b, t>>>(a)\n", "preprocessor"),
        ("    #  define GO \\\n k<<<b, t>>>(a)\n", "preprocessor"),
        ("k<<<b, t>>>(a;", "partner"),
        ("extern __shared__ float a[4], b[];", "dynamic shared array"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(source: str, words: str) -> None:
    with pytest.raises(BuildError) as caught:
        rewrite_launches(source, path="src/thing.cu")
    assert words in str(caught.value)
    assert "src/thing.cu:" in str(caught.value)
    assert caught.value.remedy


_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True).filter(lambda name: name not in ("do", "else", "return"))
_SPACES = st.sampled_from(["", " ", "\n", "  // note ; <<<\n", "/* , >>> */"])
_TEMPLATES = st.recursive(
    st.sampled_from(["", "<32>", "<128, false>", "<float>"]),
    lambda inner: st.tuples(_NAMES, inner).map(lambda pair: f"<{pair[0]}{pair[1]} >"),
    max_leaves=4,
)


@given(
    parts=st.lists(
        st.tuples(_NAMES, _TEMPLATES, st.lists(_NAMES, min_size=2, max_size=4), st.lists(_NAMES, max_size=3), _SPACES),
        max_size=5,
    )
)
def test_every_launch_is_found_once_and_lines_are_kept(
    parts: list[tuple[str, str, list[str], list[str], str]],
) -> None:
    source = ""
    for name, template, configuration, arguments, space in parts:
        joined = f",{space}".join(configuration)
        source += f"{{ {name}{template}{space}<<<{space}{joined}{space}>>>{space}({', '.join(arguments)}){space}; }}\n"
    result = rewrite_launches(source)
    assert [(launch.kernel, launch.grid) for launch in result.launches] == [
        (re.sub(r"\s+", " ", name + template), configuration[0]) for name, template, configuration, _, _ in parts
    ]
    assert result.text.count("\n") == source.count("\n")
    # What is left holds no launch, so a second pass changes nothing.
    assert rewrite_launches(result.text).text == result.text
