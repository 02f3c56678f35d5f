"""Titles: one line for a list, from a task, a model or a person."""

import re

LONGEST = 80
UNTITLED = "New session"
_MARKS = "#*_`~>|-•\"'“”„‘’«» \t"
_LABEL = re.compile(r"^(?:title|titel|titre)\s*[:：]\s*", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_PAIRED = re.compile(r"(\*\*|__|~~|`+)(.+?)\1")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
# By their form: the tokens and keys that people paste, and passwords in addresses.
_SECRET = re.compile(
    r"\b(?:gh[opsur]_|github_pat_|glpat-|gl[a-z]{2,5}-|sk-|pk-|rk_|xox[a-z]-|AKIA|ASIA|AIza|ya29\.|eyJ|ntn_|secret_|hf_)"
    r"[A-Za-z0-9_.\-]{8,}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?<=\bpassword[=:])\S+|(?<=\btoken[=:])\S+|(?<=\bapi_key[=:])\S+|\b[A-Fa-f0-9]{32,}\b",
    re.IGNORECASE,
)


def title_of(task: str) -> str:
    """The task's first line that says something."""
    return next(filter(None, map(clean, task.splitlines())), UNTITLED)


def is_cut(task: str) -> bool:
    """Whether the first line is too long to be a title."""
    return title_of(task).endswith("…")


def clean(text: str) -> str:
    """One line without quotes, markdown or secrets, at most 80 characters; empty if nothing is left."""
    line = _LINK.sub(r"\1", _UNSEEN.sub(" ", text[:2000]))
    line = _LABEL.sub("", _PAIRED.sub(r"\2", line).strip(_MARKS)).strip(_MARKS)
    line = _SECRET.sub("[hidden]", " ".join(line.split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"


def one_line(text: str) -> str:
    """A person's own title: as written, on one line."""
    return " ".join(_UNSEEN.sub(" ", text).split())
