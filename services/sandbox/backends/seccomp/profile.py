"""The list as it is read: `profile.json` and the kernel's numbers for it."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

ERRNO = "SCMP_ACT_ERRNO"
ALLOW = "SCMP_ACT_ALLOW"
NUMBERED = ("x86_64", "aarch64")
FOLDER = "services.sandbox.backends.seccomp"


@dataclass(frozen=True)
class Condition:
    """The argument `index`, under `mask`, has this value (64 bits)."""

    index: int
    value: int
    mask: int = 2**64 - 1


@dataclass(frozen=True)
class Rule:
    """What becomes of these calls when all conditions hold. `errno` 0: they are let through."""

    names: tuple[str, ...]
    errno: int
    conditions: tuple[Condition, ...] = ()


@cache
def text() -> str:
    """For the engine's `security_opt`."""
    return json.dumps(_document())


@cache
def rules() -> tuple[Rule, ...]:
    """For whoever compiles them. What no rule lets through fails with `default_errno`."""
    return tuple(
        Rule(
            names=tuple(entry["names"]),
            errno=0 if entry["action"] == ALLOW else entry["errnoRet"],
            conditions=tuple(_condition(argument) for argument in entry.get("args", ())),
        )
        for entry in _document()["syscalls"]
    )


def default_errno() -> int:
    """How a call fails that no rule names."""
    return int(_document()["defaultErrnoRet"])


@cache
def numbers(machine: str) -> dict[str, int]:
    """The numbers of the calls that this kind of machine has. Raises KeyError for one whose numbers we do not have."""
    if machine not in NUMBERED:
        raise KeyError(machine)
    column = NUMBERED.index(machine)
    table = json.loads((files(FOLDER) / "numbers.json").read_text())
    return {name: row[column] for name, row in table.items() if row[column] is not None}


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((files(FOLDER) / "profile.json").read_text())
    return document


def _condition(argument: dict[str, Any]) -> Condition:
    if argument["op"] == "SCMP_CMP_MASKED_EQ":
        return Condition(argument["index"], argument["valueTwo"], argument["value"])
    return Condition(argument["index"], argument["value"])
