"""What a repository's .lucid/config.toml says, and what is told of it where it cannot be heeded."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sessions.domain.environment import (
    LONGEST_FILE,
    NOTHING,
    Environment,
    checked_image,
    is_allowed,
    joined,
    parsed,
)

WHOLE = b"""
image = "golang:1.27"
timeout = 90
setup = '''
npm ci
make deps
'''
[env]
DATABASE_URL = "sqlite:///x"
API_TOKEN = "test-only"
"""


def test_a_whole_file() -> None:
    variables = {"DATABASE_URL": "sqlite:///x", "API_TOKEN": "test-only"}
    assert parsed(WHOLE) == (Environment("golang:1.27", "npm ci\nmake deps", 90, variables), ())
    assert parsed(b"") == (NOTHING, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"image = ", "It is no TOML"),
        (b"\xff\xfe", "It is no TOML"),
        (b"a" * (LONGEST_FILE + 1), "larger than 64 KiB"),
        (b"image = 3", "image: the name of an image"),
        (b"image = 'a b'", "image: the name of an image"),
        (b"image = '-v /:/host'", "image: the name of an image"),
        (b"setup = ['npm ci']", "setup: a script is expected"),
        (b"setup = '''" + b"x" * 40_000 + b"'''", "setup: a script is expected"),
        (b"timeout = 0", "timeout: a number of seconds"),
        (b"timeout = true", "timeout: a number of seconds"),
        (b"timeout = 3601", "timeout: a number of seconds"),
        (b"env = 'A=1'", "env: a table of texts"),
        (b"[env]\nA = 1", "env: the value of A is no text"),
        (b"[env]\nPATH = '/x'", "env: PATH is set by Lucid"),
        (b"[env]\nLD_PRELOAD = '/x'", "env: LD_PRELOAD is set by Lucid"),
        (b"[env]\nGIT_CONFIG_COUNT = '1'", "env: GIT_CONFIG_COUNT is set by Lucid"),
        (b"[env]\n'A B' = '1'", "env: 'A B' is no name of a variable"),
        (b"images = 'x'", "There is no key 'images'; there are image, setup, timeout, env."),
        (b"[setup]\nscript = 'x'", "setup: a script is expected"),
    ],
)
def test_what_cannot_be_heeded_is_told_and_the_rest_holds(text: bytes, words: str) -> None:
    found, problems = parsed(text)
    assert len(problems) == 1
    assert words in problems[0]
    assert found == NOTHING


def test_a_wrong_key_leaves_the_others() -> None:
    found, problems = parsed(b"image = 3\nsetup = 'make'\ncolour = 'red'\n[env]\nA = '1'")
    assert (found, len(problems)) == (Environment(setup="make", variables={"A": "1"}), 2)


def test_no_value_of_a_variable_is_ever_told() -> None:
    _, problems = parsed(b"[env]\nOK = 'hidden-1'\nPATH = 'hidden-2'\n")
    assert problems
    assert "hidden" not in "".join(problems)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_file_breaks_it(content: bytes) -> None:
    found, problems = parsed(content)
    assert all(isinstance(problem, str) for problem in problems)
    if not problems:
        assert set(tomllib.loads(content.decode())) <= {"image", "setup", "timeout", "env"}
    assert isinstance(found, Environment)


def test_the_sessions_own_wish_goes_first() -> None:
    theirs = Environment("theirs", "their script", 5, {"A": "theirs", "B": "theirs"})
    assert joined(NOTHING, theirs) == theirs
    assert joined(Environment("own", "own script", 0, {"A": "own"}), theirs) == Environment(
        "own", "own script", 0, {"A": "own", "B": "theirs"}
    )


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("golang:1.27", True),
        ("golang:1.26", False),
        ("registry.example.org/ci/node:20", True),
        ("registry.example.org/other/node:20", False),
        ("xregistry.example.org/ci/node", False),
        ("wha[t]", False),
    ],
)
def test_the_operators_list(image: str, allowed: bool) -> None:
    assert is_allowed(image, ("lucid-sandbox:latest", "golang:1.27", "registry.example.org/ci/*", "wha[t]x")) is allowed


def test_an_image_is_named_as_engines_do() -> None:
    for name in ("a", "golang:1.27", "host:5000/a/b@sha256:" + "0" * 64):
        assert checked_image(name) == name
