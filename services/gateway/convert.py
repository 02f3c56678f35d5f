"""Between the wire and the domain: what a request claims, and accounts as messages."""

from collections.abc import Iterable, Mapping

from lucid.gateway.v1 import accounts_pb2

from services.gateway.domain.models import Credentials, User, Visit

COOKIE = "lucid_sign_in"


def user_to_proto(user: User) -> accounts_pb2.User:
    """For AccountsService."""
    return accounts_pb2.User(user_id=user.user_id, email=user.email, name=user.name)


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name. The first of several counts; cookies are joined, as HTTP/2 splits them."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key == "cookie" and key in headers:
            headers[key] += "; " + text
        else:
            headers.setdefault(key, text)
    return headers


def visit_of(scheme: str, headers: Mapping[str, str], safe: bool) -> Visit:
    """What a request or a WebSocket handshake claims, and where it comes from."""
    web = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    host = headers.get("host", "")
    claimed = Credentials(
        authorization=headers.get("authorization", ""),
        internal_key=headers.get("x-internal-key", ""),
        user_id=headers.get("x-user-id", ""),
        cookie=_cookie(headers.get("cookie", "")),
    )
    return Visit(claimed=claimed, origin=headers.get("origin", ""), own_origin=f"{web}://{host}", host=host, safe=safe)


def _cookie(header: str) -> str:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
