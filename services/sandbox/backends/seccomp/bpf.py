"""The list as a classic BPF program, for bubblewrap's `--seccomp`.

Calls without conditions stand first, as ranges of numbers; since Linux 5.11 the kernel keeps their answer, so a long
list costs nothing. A call of a later kernel than our list fails as one that does not exist (ENOSYS), so that programs
take the older way; any other one that is not on the list is refused. A program of another machine's kind is killed.
"""

import errno
import platform
import struct
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from services.sandbox.backends.seccomp.profile import NUMBERED, Condition, Rule, default_errno, numbers, rules

LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_OR_EQUAL, AND, RETURN = 0x20, 0x15, 0x25, 0x35, 0x54, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
RETURN_ALLOW, RETURN_ERRNO, RETURN_KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
WORD = 2**32 - 1
Instruction = tuple[int, int, int, int]


def is_known(machine: str = "") -> bool:
    """Whether a filter can be made for this kind of machine (this one, if none is named)."""
    return (machine or platform.machine()) in NUMBERED


@cache
def program(machine: str = "") -> bytes:
    """The filter, as the kernel takes it. Raises KeyError where `is_known` says no."""
    machine = machine or platform.machine()
    known = numbers(machine)
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, RETURN_KILL_PROCESS),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_GREATER, 0, 1, max(known.values())),
        (RETURN, 0, 0, RETURN_ERRNO | errno.ENOSYS),
    ]
    for first, last in _ranges(_plain(known)):
        code += [
            (JUMP_GREATER_OR_EQUAL, 0, 2, first),
            (JUMP_GREATER, 1, 0, last),
            (RETURN, 0, 0, RETURN_ALLOW),
        ]
    for number, its_rules in _conditional(known).items():
        checks = [step for rule in its_rules for step in _rule(rule)] + [_refusal()]
        code += [(JUMP_EQUAL, 0, len(checks), number), *checks]
    code.append(_refusal())
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _plain(known: dict[str, int]) -> list[int]:
    bare = (rule for rule in rules() if not rule.conditions and not rule.errno)
    return sorted(known[name] for rule in bare for name in rule.names if name in known)


def _conditional(known: dict[str, int]) -> dict[int, list[Rule]]:
    found: defaultdict[int, list[Rule]] = defaultdict(list)
    for rule in rules():
        for name in rule.names if rule.conditions or rule.errno else ():
            if name in known:
                found[known[name]].append(rule)
    return dict(found)


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _rule(rule: Rule) -> list[Instruction]:
    """Falls through to the next rule of the same call where a condition does not hold."""
    answer = (RETURN, 0, 0, RETURN_ERRNO | rule.errno if rule.errno else RETURN_ALLOW)
    halves = [half for condition in rule.conditions for half in _halves(condition)]
    code: list[Instruction] = [answer]
    for offset, mask, value in reversed(halves):
        masked = [] if mask == WORD else [(AND, 0, 0, mask)]
        code = [(LOAD, 0, 0, offset), *masked, (JUMP_EQUAL, 0, len(code), value), *code]
    return code


def _halves(condition: Condition) -> Iterator[tuple[int, int, int]]:
    """Both machines keep the lower half of an argument first."""
    start = ARGUMENTS_AT + 8 * condition.index
    yield start, condition.mask & WORD, condition.value & WORD
    yield start + 4, condition.mask >> 32, condition.value >> 32


def _refusal() -> Instruction:
    return (RETURN, 0, 0, RETURN_ERRNO | default_errno())
