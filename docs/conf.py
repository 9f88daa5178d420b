"""The documentation site. Sphinx reads the repository from its root, so a page is the same file on the site and in a checkout.

`make docs-site` runs it with warnings as errors; tests/docs/test_site.py builds it, follows every link and asset, and refuses
anything that a browser would load from elsewhere.
"""

from __future__ import annotations

import re

import alexnet_archive

project = "alexnet-archive"
copyright = "the alexnet-archive authors, BSD 2-clause licence"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"

# What is a page. Everything else that a page links to in the repository is offered as a download.
include_patterns = [
    "docs/**", "lessons/*.md", "patches/*.md", "patches/companion/*.md", "original/README.md", "tests/standin/README.md",
    "CHANGELOG.md", "CONTRIBUTING.md",
]  # fmt: skip
# Never walked: Sphinx follows links, and some of these are large.
exclude_patterns = [".*", "build", "dist", "demo-out", "runs", "exhibit", "original/source", "docker", "harness"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
highlight_language = "none"  # a block that names no language is a command or what it printed
smartquotes = False  # two hyphens are an option, not a dash
suppress_warnings = ["myst.header"]  # a page of the repository may begin where its title on a forge ends

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # a function that is a default has a name, not an address
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88


def colours(link: str, visited: str) -> dict[str, str]:
    return {"color-brand-primary": link, "color-brand-content": link, "color-brand-visited": visited}


html_theme = "furo"
html_title = "alexnet-archive"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_additional_pages = {"index": "to-the-start.html"}
html_css_files = ["site.css"]
html_favicon = "_static/columns.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_logo": "columns.svg",
    "dark_logo": "columns.svg",
    "light_css_variables": colours("#2c5f8a", "#5c4a86"),
    "dark_css_variables": colours("#8ab8de", "#b5a5dd"),
}


def plain_docstring(lines: list[str]) -> None:
    """Docstrings of this project are plain text with names in backticks: nothing else in them is markup."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``?[^`]+``?)", line)
        for i, part in enumerate(parts):
            parts[i] = f"``{part.strip('`')}``" if i % 2 else re.sub(r"([*_|\\])", r"\\\1", part)
        lines[number] = "".join(parts)


def plain_signature(signature: str | None) -> str | None:
    """A default that is made anew for each object has no text of its own; without one the signature cannot be read."""
    return signature and signature.replace("<factory>", "...")


def to_public_name(app, env, node, content):  # type: ignore[no-untyped-def]
    """A type named in a signature by where it is defined links to the entry of its public name, where it has one."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in getattr(alexnet_archive, "__all__", []):
        return None
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", f"alexnet_archive.{name}", node, content)


def setup(app) -> None:  # type: ignore[no-untyped-def]
    app.connect("missing-reference", to_public_name)
    app.connect("autodoc-process-docstring", lambda app, what, name, thing, options, lines: plain_docstring(lines))
    app.connect("autodoc-process-signature", lambda app, what, name, thing, options, text, back: (plain_signature(text), back))
