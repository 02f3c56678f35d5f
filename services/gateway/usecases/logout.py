"""Ends a browser's sign-in."""

from services.gateway.domain.models import hash_secret
from services.gateway.ports import Ports


async def logout(ports: Ports, secret: str) -> None:
    """The cookie is worth nothing from here on. Safe to repeat."""
    if secret:
        await ports.accounts.remove_sign_in(hash_secret(secret))
