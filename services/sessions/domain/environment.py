"""What a session's sandbox is made with besides its repository, and the file in which a repository says so."""

import fnmatch
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONFIG_FILE = ".lucid/config.toml"
LONGEST_FILE = 64 * 1024
LONGEST_SETUP = 32 * 1024
LONGEST_ENV = 32 * 1024
MOST_VARIABLES = 100
LONGEST_IMAGE = 300
SETUP_SECONDS = 600
MOST_SETUP_SECONDS = 3600
# Lucid sets them for every command; another value would break the way to git, or the carrying over of state.
OURS = frozenset(
    (
        *(
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "LANG",
            "TERM",
            "PAGER",
            "GIT_PAGER",
            "BASH_ENV",
            "LUCID_COMMAND",
        ),
        *("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "GIT_CONFIG_SYSTEM", "GIT_TERMINAL_PROMPT"),
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"),
    )
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Environment:
    """`image`: one of the operator's list; empty = the default. `setup`: a script for bash that runs before the agent
    works, for at most `setup_seconds`; 0 = the default. `variables`: for every command."""

    image: str = ""
    setup: str = ""
    setup_seconds: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)


NOTHING = Environment()


def joined(first: Environment, second: Environment) -> Environment:
    """What the first leaves open is as the second says."""
    own_setup = first if first.setup else second
    return Environment(
        image=first.image or second.image,
        setup=own_setup.setup,
        setup_seconds=own_setup.setup_seconds,
        variables={**second.variables, **first.variables},
    )


def parsed(content: bytes) -> tuple[Environment, tuple[str, ...]]:
    """What a repository's file says, and what in it cannot be heeded, each in a sentence."""
    if len(content) > LONGEST_FILE:
        return NOTHING, (f"It is larger than {LONGEST_FILE // 1024} KiB.",)
    try:
        table = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        return NOTHING, (f"It is no TOML: {error}.",)
    problems: list[str] = []
    known: dict[str, Any] = {}
    for name, value in table.items():
        if name not in _KEYS:
            problems.append(f"There is no key {_shown(name)}; there are {', '.join(_KEYS)}.")
            continue
        attribute, check = _KEYS[name]
        try:
            known[attribute] = check(value)
        except ValueError as error:
            problems.append(f"{name}: {error}.")
    return Environment(**known), tuple(problems)


def is_allowed(image: str, allowed: Sequence[str]) -> bool:
    """Whether the operator's list has it; `*` in an entry stands for any characters."""
    return any(fnmatch.fnmatchcase(image, entry.replace("[", "[[]").replace("?", "[?]")) for entry in allowed)


def checked_image(value: object) -> str:
    """Raises ValueError."""
    if not isinstance(value, str) or not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._:/@-]{{0,{LONGEST_IMAGE - 1}}}", value):
        raise ValueError("the name of an image is expected, such as golang:1.27")
    return value


def checked_setup(value: object) -> str:
    """Raises ValueError."""
    if not isinstance(value, str) or "\0" in value or len(value.encode(errors="replace")) > LONGEST_SETUP:
        raise ValueError(f"a script is expected, a text of at most {LONGEST_SETUP // 1024} KiB")
    return value.strip()


def checked_variables(value: object) -> dict[str, str]:
    """Raises ValueError. Values are never named: they may be secret although they should not."""
    if not isinstance(value, Mapping):
        raise ValueError('a table of texts is expected, such as NAME = "value"')
    if len(value) > MOST_VARIABLES:
        raise ValueError(f"there are more than {MOST_VARIABLES} variables")
    for name, text in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{_shown(name)} is no name of a variable")
        if name in OURS or name.startswith("GIT_CONFIG"):
            raise ValueError(f"{name} is set by Lucid")
        if not isinstance(text, str) or "\0" in text:
            raise ValueError(f"the value of {name} is no text")
    if sum(len(name.encode()) + len(text.encode(errors="replace")) for name, text in value.items()) > LONGEST_ENV:
        raise ValueError(f"the variables are larger than {LONGEST_ENV // 1024} KiB")
    return dict(value)


def _checked_seconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_SETUP_SECONDS:
        raise ValueError(f"a number of seconds from 1 to {MOST_SETUP_SECONDS} is expected")
    return value


def _shown(name: object) -> str:
    return ascii(name if len(str(name)) <= 60 else f"{str(name)[:60]}…")


_KEYS = {
    "image": ("image", checked_image),
    "setup": ("setup", checked_setup),
    "timeout": ("setup_seconds", _checked_seconds),
    "env": ("variables", checked_variables),
}
