"""`make docs`: writes every generated page of the documentation; a test holds that this changes nothing."""

from __future__ import annotations

from pathlib import Path

from tests.docs import commands, exit_codes, layer_language, lessons_page, python_page


def pages() -> dict[Path, str]:
    """File -> text of every generated page."""
    own = {exit_codes.PAGE: exit_codes.page(), layer_language.PAGE: layer_language.page()}
    return commands.pages() | python_page.pages() | lessons_page.pages() | own


def write(pages: dict[Path, str]) -> None:
    """Write the pages, and remove command pages that no command stands on any more."""
    for left in set(commands.FOLDER.glob("*.md")) - set(pages):
        left.unlink()
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    write(pages())
