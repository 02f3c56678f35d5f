"""Names and addresses of repositories: strict patterns, because a URL is built from what passes here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.integrations.domain.errors import InvalidRepository
from services.integrations.domain.models import GITLAB

_OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})"
_NAME = r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}"
_GROUP = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98})"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?"
_FULL_NAME = re.compile(rf"{_OWNER}/{_NAME}")
_NESTED_NAME = re.compile(rf"{_GROUP}(?:/{_GROUP}){{0,8}}/{_NAME}")
_HTTP = re.compile(rf"(https?)://({_HOST})/(.+)")
_SCP = re.compile(rf"git@({_HOST}):(.+)")
_SSH = re.compile(rf"ssh://git@({_HOST})/(.+)")


@dataclass(frozen=True)
class RepositoryName:
    """Where a repository is: the provider and owner/name there."""

    provider: str
    full_name: str


def checked_full_name(provider: str, full_name: str) -> str:
    """owner/name, if it is one. Raises InvalidRepository."""
    pattern = _NESTED_NAME if provider == GITLAB else _FULL_NAME
    parts = full_name.split("/")
    if (
        not pattern.fullmatch(full_name)
        or ".." in full_name
        or any(part in {".", ""} or part.endswith((".git", ".lock", ".")) for part in parts)
    ):
        raise InvalidRepository
    return full_name


def is_host(text: str) -> bool:
    """host or host:port, and nothing else."""
    return bool(re.fullmatch(_HOST, text))


def parse_address(address: str, bases: Mapping[str, str]) -> RepositoryName:
    """The repository of a pasted address. `bases`: provider -> its address (scheme, host, perhaps a path).

    Accepts https, ssh and scp-like forms, with and without `.git`. Raises InvalidRepository for anything else.
    """
    text = address.strip()
    for provider, base in bases.items():
        rest = _below(text, base)
        if rest is not None:
            return RepositoryName(provider, checked_full_name(provider, rest.removesuffix("/").removesuffix(".git")))
    raise InvalidRepository


def _below(text: str, base: str) -> str | None:
    """What follows the base in any of the written forms."""
    scheme, _, place = base.rstrip("/").partition("://")
    host, _, folder = place.partition("/")
    if match := _HTTP.fullmatch(text):
        found_scheme, found_host, rest = match.groups()
        if found_scheme != scheme and found_scheme != "https":
            return None
    elif match := _SCP.fullmatch(text) or _SSH.fullmatch(text):
        found_host, rest = match.groups()
        host, found_host = host.partition(":")[0], found_host.partition(":")[0]
    else:
        return None
    if found_host.lower() != host.lower():
        return None
    if not folder:
        return rest
    return rest.removeprefix(f"{folder}/") if rest.startswith(f"{folder}/") else None
