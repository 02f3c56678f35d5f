"""What the gateway's use cases need from outside."""

from dataclasses import dataclass
from typing import Protocol

from services.gateway.domain.models import Account, SignIn, User


class AccountStore(Protocol):
    """People and their sign-ins. The database's clock decides what has lapsed."""

    async def ensure_user(self, account: Account) -> User:
        """The user of this address, made if there is none; two at once get the same one."""
        ...

    async def find_user(self, user_id: str) -> User | None:
        """The user, or None."""
        ...

    async def add_sign_in(self, secret_hash: str, user_id: str, ttl_seconds: int) -> SignIn:
        """Keeps a sign-in for `ttl_seconds`; drops lapsed ones."""
        ...

    async def find_sign_in(self, secret_hash: str) -> SignIn | None:
        """The sign-in, or None if it is unknown or has lapsed."""
        ...

    async def remove_sign_in(self, secret_hash: str) -> None:
        """Ends a sign-in; nothing happens if there is none."""
        ...


class Tokens(Protocol):
    """Access tokens that every service verifies for itself."""

    def sign(self, user_id: str) -> tuple[str, float]:
        """A token of the user and when it lapses, seconds since 1970."""
        ...

    def verify_bearer(self, authorization: str) -> str:
        """The user id of an Authorization header. Raises Unauthenticated."""
        ...

    def check_internal_key(self, key: str) -> None:
        """Raises Unauthenticated unless it is the internal key. Takes the same time for every wrong one."""
        ...


class Models(Protocol):
    """The models that can be chosen here."""

    async def names(self) -> list[str]:
        """`provider/model` or `demo`, the default first; empty where sessions cannot be asked now."""
        ...


@dataclass(frozen=True)
class Occupancy:
    """How busy the services are; None and 0 where they cannot be asked now."""

    confinement: str | None
    sandboxes: int
    sessions: int
    lacks: tuple[str, ...] = ()


class Occupants(Protocol):
    """How busy the services are."""

    async def look(self) -> Occupancy:
        """As it is now; never raises for a service that is away."""
        ...


class Secrets(Protocol):
    """Chance."""

    def __call__(self) -> str:
        """A fresh secret of 256 bits, for a cookie."""
        ...


@dataclass(frozen=True)
class Ports:
    """All of them."""

    accounts: AccountStore
    tokens: Tokens
    models: Models
    occupants: Occupants
    secrets: Secrets
