"""Names as text. A byte that is not UTF-8 stands there as one character of a private plane, so that no name is lost.

Names inside the helper are Python's own (`os.fsdecode`); those of requests and answers are text.
"""

from __future__ import annotations

import os
import re

FIRST = 0x10FE00  # + 0x80 to 0xFF: characters of the last private plane
_UNUSUAL = re.compile("[\udc80-\udcff\U0010fe80-\U0010feff]")
_ESCAPED = re.compile("[\U0010fe80-\U0010feff]")


def shown(name: str) -> str:
    """A name as text. Characters of the names that mean a byte here are taken apart into their bytes."""
    return _UNUSUAL.sub(lambda found: "".join(chr(FIRST + byte) for byte in os.fsencode(found.group())), name)


def meant(text: str) -> str:
    """The name that a text of ours, or of anybody, stands for."""
    return _ESCAPED.sub(lambda found: chr(0xDC00 + ord(found.group()) - FIRST), text)
