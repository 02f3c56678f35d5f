"""People and their sign-ins."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from services.gateway.domain.errors import InvalidEmail

EMAIL_MAX = 320
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>\"']{1,64}@[^@\s\x00-\x1f\x7f<>\"']{1,255}")


@dataclass(frozen=True)
class User:
    """A person. `email` is lower case and unique."""

    user_id: str
    email: str
    name: str


@dataclass(frozen=True)
class Account:
    """What an identity provider knows of the person who signs in."""

    email: str
    name: str


@dataclass(frozen=True)
class SignIn:
    """A browser that is signed in. Its secret is never kept, only the hash."""

    secret_hash: str
    user_id: str
    expires: datetime


@dataclass(frozen=True)
class Identity:
    """A verified caller at the edge, with the access token that the services are called with.

    `secret` is the cookie's value where the caller is a signed-in browser.
    """

    user_id: str
    token: str
    secret: str = ""


@dataclass(frozen=True)
class Credentials:
    """What a request claims. Empty fields were not sent."""

    authorization: str = ""
    internal_key: str = ""
    user_id: str = ""
    cookie: str = ""


@dataclass(frozen=True)
class Visit:
    """A request as it reaches the edge: its claims, the page it says it comes from, our own address as it sees it.

    `safe`: it changes nothing, so that it does not matter which page asked.
    """

    claimed: Credentials
    origin: str
    own_origin: str
    host: str
    safe: bool


def account_of(email: str) -> Account:
    """The account that an address stands for. Raises InvalidEmail."""
    address = email.strip().lower()
    if len(address) > EMAIL_MAX or not _EMAIL.fullmatch(address):
        raise InvalidEmail
    return Account(email=address, name=address.partition("@")[0])


def hash_secret(secret: str) -> str:
    """What is stored of a cookie: 256 random bits need no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
