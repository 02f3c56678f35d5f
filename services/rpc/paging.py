"""Opaque page tokens (AIP-158). They carry a position and grant nothing."""

import base64
import binascii
import json

from services.rpc.errors import InvalidRequest


def page_size(asked: int, default: int, largest: int) -> int:
    """0 means the default; too large is taken as the largest."""
    return min(asked or default, largest)


def encode_token(position: dict[str, str | int | float]) -> str:
    """The token of a position."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode()


def decode_token(token: str) -> dict[str, str | int | float]:
    """The position of a token; empty for the empty token. Raises InvalidRequest for anything we did not make."""
    if not token:
        return {}
    try:
        position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("page_token is not one of ours.", field="page_token") from error
    if not isinstance(position, dict):
        raise InvalidRequest("page_token is not one of ours.", field="page_token")
    return position
