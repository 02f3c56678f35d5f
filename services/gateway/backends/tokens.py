"""Access tokens as every service knows them, and secrets by the operating system's chance."""

import secrets
import time

from services.rpc.errors import Unauthenticated
from services.rpc.identity import Verifier, sign_access_token


class SharedSecretTokens:
    """The port Tokens on SESSION_SECRET and INTERNAL_API_KEY."""

    def __init__(self, session_secret: str, internal_key: str, ttl_seconds: int) -> None:
        self._verifier = Verifier(session_secret, internal_key)
        self._secret = session_secret
        self._ttl = ttl_seconds

    def sign(self, user_id: str) -> tuple[str, float]:
        """Good for the installation's time, at most a quarter of an hour by default."""
        now = int(time.time())
        return sign_access_token(self._secret, user_id, self._ttl, now), float(now + self._ttl)

    def verify_bearer(self, authorization: str) -> str:
        """As every service does."""
        caller = self._verifier.verify({"authorization": authorization})
        if caller is None:
            raise Unauthenticated
        return caller.user_id

    def check_internal_key(self, key: str) -> None:
        """In constant time."""
        self._verifier.verify({"x-internal-key": key})


def fresh_secret() -> str:
    """256 bits, for a cookie."""
    return secrets.token_urlsafe(32)
