"""The glossary gives each term once, in one sentence."""

import re
from pathlib import Path

ROWS = re.findall(
    r"^\| (?!term \||---)([^|]+) \| ([^|]+) \| ([^|]+) \|$",
    (Path(__file__).resolve().parents[2] / "docs/glossary.md").read_text(),
    re.M,
)


def test_each_term_has_one_row() -> None:
    terms = [term for row in ROWS for term in row[0].split(", ")]

    assert len(terms) > 70
    assert sorted(set(terms)) == sorted(terms)


def test_each_term_has_a_sentence_and_the_words_that_are_not_used() -> None:
    assert [
        term
        for term, meaning, others in ROWS
        if not (meaning[0].isupper() and meaning.endswith(".") and others)
    ] == []


def test_no_term_is_also_a_word_that_is_not_used_for_it() -> None:
    assert [
        term for term, _, others in ROWS if set(term.split(", ")) & set(re.split("[,;] ", others))
    ] == []
