"""What makes a title of a text."""

import pytest

from services.sessions.domain.titles import clean, is_cut, one_line, title_of


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Fix the tea timer", "Fix the tea timer"),
        ('"Fix the tea timer"', "Fix the tea timer"),
        ("**Fix** the `tea` timer", "Fix the tea timer"),
        ("# Title: Fix the tea timer", "Fix the tea timer"),
        ("Titel: „Die Teeuhr“", "Die Teeuhr"),
        ("- [Fix](http://x.example/y) it", "Fix it"),
        ("a\tb\x00c\u2028d\u202ee", "a b c d e"),
        ("use ghp_0123456789abcdefghijklmnop to push", "use [hidden] to push"),
        ("key sk-ant-0123456789abcdef", "key [hidden]"),
        ("clone https://ann:hunter2@host.example/a", "clone https://[hidden]@host.example/a"),
        ("password=hunter2 does not work", "password=[hidden] does not work"),
        ("snake_case stays, 2 * 3 * 4 too", "snake_case stays, 2 * 3 * 4 too"),
        ("  \n", ""),
        ("***", ""),
        ("“" + "w" * 90 + "”", "w" * 79 + "…"),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
def test_clean(text: str, title: str) -> None:
    assert clean(text) == title
    assert clean(title) == title


def test_the_first_line_that_says_something() -> None:
    assert title_of("\n  \n# Mend it\nplease") == "Mend it"
    assert title_of("\n ** \n") == "New session"
    assert not is_cut("Mend it\n" + "x" * 200)
    assert is_cut("x" * 81)


def test_a_persons_title_is_as_written() -> None:
    assert one_line(' My "own" **title**\nof two lines ') == 'My "own" **title** of two lines'
    assert one_line("\n\t ") == ""
