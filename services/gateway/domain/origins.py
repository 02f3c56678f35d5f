"""Which pages may use a person's cookie. SameSite keeps most others out, the Origin header the rest."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from services.gateway.domain.errors import OriginRefused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_origin(origin: str, own: str, allowed: Sequence[str]) -> None:
    """Raises OriginRefused unless the page that asks is ours or on the operator's list. No origin is no proof."""
    if not origin or (origin != own and origin not in allowed):
        raise OriginRefused


def check_host(host: str, allowed: Sequence[str]) -> None:
    """Raises OriginRefused for a name that could have been re-bound to this machine.

    Sign-in without a password is open to addresses, localhost and the operator's own names only: a foreign page whose
    name is made to point here would otherwise sign itself in.
    """
    name = _hostname(f"//{host}")
    if name == "localhost" or name.endswith(".localhost") or _is_address(name):
        return
    if name not in {_hostname(origin) for origin in allowed}:
        raise OriginRefused("Sign-in without a password is not open under this host name.")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
