"""Who is calling: a person by an access token, or a service by the internal key. Every service verifies for itself."""

import hmac
import time
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from services.rpc.errors import Unauthenticated

ISSUER = "lucid"
AUDIENCE = "lucid"
LEEWAY_SECONDS = 60
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Caller:
    """The verified identity of a call. `internal`: the call comes from a service, on behalf of `user_id`."""

    user_id: str
    internal: bool


_caller: ContextVar[Caller | None] = ContextVar("lucid_caller", default=None)


def current_caller() -> Caller:
    """The identity of the call being served. Raises Unauthenticated outside of one."""
    caller = _caller.get()
    if caller is None:
        raise Unauthenticated
    return caller


def bind(caller: Caller | None) -> Token[Caller | None]:
    """Binds the identity while a handler runs; the guard's business."""
    return _caller.set(caller)


def unbind(token: Token[Caller | None]) -> None:
    """Undoes bind."""
    _caller.reset(token)


def sign_access_token(session_secret: str, user_id: str, ttl_seconds: int, now: float | None = None) -> str:
    """A JWT (HS256, RFC 7519) that every service accepts for `ttl_seconds`."""
    issued = int(time.time() if now is None else now)
    claims = {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "iat": issued, "nbf": issued, "exp": issued + ttl_seconds}
    return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, OctKey.import_key(session_secret))


def user_metadata(token: str) -> Metadata:
    """Call metadata of a person."""
    return (("authorization", f"Bearer {token}"),)


def service_metadata(internal_key: str, user_id: str) -> Metadata:
    """Call metadata of a service that acts for a user."""
    return (("x-internal-key", internal_key), ("x-user-id", user_id))


class Verifier:
    """Checks the identity that a call's metadata claims."""

    def __init__(self, session_secret: str, internal_key: str) -> None:
        if not session_secret or not internal_key:
            msg = "SESSION_SECRET and INTERNAL_API_KEY must be set: without them nobody could be told apart."
            raise ValueError(msg)
        self._key = OctKey.import_key(session_secret)
        self._internal_key = internal_key.encode()
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )

    def verify(self, metadata: Mapping[str, str]) -> Caller | None:
        """The caller, or None where nothing is claimed. Raises Unauthenticated for a claim that does not hold."""
        authorization = metadata.get("authorization", "")
        if authorization:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated
            return Caller(self.verify_token(token), internal=False)
        key = metadata.get("x-internal-key")
        if key is None:
            return None
        if not hmac.compare_digest(key.encode(), self._internal_key):
            raise Unauthenticated("Invalid internal API key")
        return Caller(metadata.get("x-user-id", ""), internal=True)

    def verify_token(self, token: str) -> str:
        """The user id of an access token. Raises Unauthenticated ("Invalid token")."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unauthenticated("Invalid token") from error
        subject = decoded.claims["sub"]
        if not isinstance(subject, str) or not subject:
            raise Unauthenticated("Token missing sub claim")
        return subject
