"""How long the tests of chance are: `make test` has the short form of some, `make test-long` all at full length."""

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
LONG = os.environ.get("TESTS_LENGTH", "") == "long"


def rounds(short: int, full: int) -> int:
    """How many times a test tries what it does at random."""
    return full if LONG else short


def every_other(cases: Iterable[T], always: Callable[[T], bool]) -> list[T]:
    """The short form of a table: what is `always` tried, and every second of the rest."""
    cases = list(cases)
    rest = [case for case in cases if not always(case)]
    left_out = [] if LONG else rest[1::2]
    return [case for case in cases if case not in left_out]
