"""Reading and writing short times."""

import re

_TIME = re.compile(r"(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?")


def parse_time(text):
    """Seconds in a text such as "3m20s", "4m" or "45s". Raises ValueError for anything else."""
    match = _TIME.fullmatch(text.strip().lower())
    if not text.strip() or match is None:
        raise ValueError(f"not a time: {text!r}")
    return int(match["minutes"] or 0) * 60 + int(match["seconds"] or 0)


def format_time(seconds):
    """A countdown as people read it: minutes, a colon, seconds."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest}"
