"""Gives a caller whose identity is good a fresh access token."""

from services.gateway.ports import Ports
from services.rpc.errors import Unauthenticated


async def create_access_token(ports: Ports, user_id: str) -> tuple[str, float]:
    """The token and when it lapses, seconds since 1970. Raises Unauthenticated for a call on nobody's behalf."""
    if not user_id:
        raise Unauthenticated
    return ports.tokens.sign(user_id)
