"""The texts of the exhibit: English is whole, other languages have the same keys and blanks; what falls back is listed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "exhibit" / "src"
TEXTS = SOURCES.parent / "public" / "texts"
OTHERS = sorted(path.stem for path in TEXTS.glob("*.json") if path.stem != "en")
LABORATORY = ("logprob", "cmrnorm", "top-k", "top-1", "top-5", "softmax", "minibatch", "epoch", "activation", "tensor")


def texts(language: str) -> dict[str, str]:
    read: dict[str, str] = json.loads((TEXTS / f"{language}.json").read_text(encoding="utf-8"))
    return read


def blanks(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


def code() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.rglob("*.ts*")))


def test_three_languages_come_with_english() -> None:
    assert OTHERS == ["de", "es", "fr"]
    assert all(f'{language}: "' in (SOURCES / "words.ts").read_text(encoding="utf-8") for language in OTHERS)


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_falls_back_to_english(language: str) -> None:
    found, english = texts(language), texts("en")
    assert sorted(english.keys() - found.keys()) == [], "these fall back to English"
    assert sorted(found.keys() - english.keys()) == [], "nothing asks for these"
    assert [key for key in english if blanks(found[key]) != blanks(english[key])] == []
    assert [key for key, text in found.items() if not text.strip()] == []


def test_every_text_that_is_asked_for_is_there_and_none_is_left_over() -> None:
    english, source = texts("en"), code()
    literal = set(re.findall(r'\bt\(\s*"([^"]+)"', source))
    literal |= set(re.findall(r'"((?:break|inside|start|show|picture|camera)\.[\w.]+)"', source))
    assert sorted(literal - english.keys()) == []
    patterns = [re.sub(r"\\\$\\\{.*?\\\}", r"[\\w-]+", re.escape(found)) for found in re.findall(r"\bt\(\s*`([^`]+)`", source)]
    quoted = set(re.findall(r'"([\w.]+)"', source))
    left = [key for key in english if key not in quoted and not any(re.fullmatch(pattern, key) for pattern in patterns)]
    assert left == []


@pytest.mark.parametrize("language", ["en", *OTHERS])
def test_visitors_read_no_words_of_the_laboratory(language: str) -> None:
    assert [(key, word) for key, text in texts(language).items() for word in LABORATORY if word in text.lower()] == []
