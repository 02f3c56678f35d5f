"""Who is calling at the edge."""

from services.gateway.domain.models import Credentials, Identity, hash_secret
from services.gateway.ports import Ports
from services.rpc.errors import Unauthenticated


async def authenticate(ports: Ports, claimed: Credentials) -> Identity | None:
    """The caller, or None where nothing valid by cookie and nothing else is claimed.

    The order is the contract's: access token, internal key, and then the cookie. A lapsed cookie is nobody, so that
    its browser can still sign in. Raises Unauthenticated for a token or a key that does not hold.
    """
    if claimed.authorization:
        user_id = ports.tokens.verify_bearer(claimed.authorization)
        return Identity(user_id=user_id, token=claimed.authorization.partition(" ")[2].strip())
    if claimed.internal_key or claimed.user_id:
        ports.tokens.check_internal_key(claimed.internal_key)
        if not claimed.user_id:
            raise Unauthenticated
        # A token of that user, not the key itself: from here on the caller is a person like any other.
        return Identity(user_id=claimed.user_id, token=ports.tokens.sign(claimed.user_id)[0])
    return await _by_cookie(ports, claimed.cookie)


async def _by_cookie(ports: Ports, secret: str) -> Identity | None:
    if not secret:
        return None
    sign_in = await ports.accounts.find_sign_in(hash_secret(secret))
    if sign_in is None:
        return None
    return Identity(user_id=sign_in.user_id, token=ports.tokens.sign(sign_in.user_id)[0], secret=secret)
