"""Reads the caller's account."""

from services.gateway.domain.errors import UserNotFound
from services.gateway.domain.models import User
from services.gateway.ports import Ports


async def get_account(ports: Ports, user_id: str) -> User:
    """The user. Raises UserNotFound."""
    user = await ports.accounts.find_user(user_id)
    if user is None:
        raise UserNotFound
    return user
