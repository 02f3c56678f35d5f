"""Signs anybody in by an e-mail address, without a password. For development; wired only where it is switched on."""

from dataclasses import dataclass

from services.gateway.domain.models import User, account_of, hash_secret
from services.gateway.ports import Ports

SIGN_IN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class SignedIn:
    """A fresh sign-in: the cookie's secret for the browser, a short access token for scripts."""

    user: User
    secret: str
    token: str
    token_expires: float


async def dev_login(ports: Ports, email: str) -> SignedIn:
    """Finds or makes the user and signs them in. Raises InvalidEmail."""
    user = await ports.accounts.ensure_user(account_of(email))
    secret = ports.secrets()
    await ports.accounts.add_sign_in(hash_secret(secret), user.user_id, SIGN_IN_SECONDS)
    token, expires = ports.tokens.sign(user.user_id)
    return SignedIn(user=user, secret=secret, token=token, token_expires=expires)
