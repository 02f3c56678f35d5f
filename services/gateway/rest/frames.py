"""grpc-web's framing: five bytes before each message, the trailers as a last frame."""

import base64
import binascii
import re
import struct
from urllib.parse import quote

from services.rpc.errors import InvalidRequest

TRAILER = 0x80
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_CONTENT = re.compile(r"application/grpc-web(-text)?(\+proto)?")


def is_text(content_type: str) -> bool | None:
    """Whether the body is base64; None if this is not grpc-web at all."""
    found = _CONTENT.fullmatch(content_type.partition(";")[0].strip().lower())
    return None if found is None else bool(found[1])


def only_message(body: bytes, text: bool) -> bytes:
    """The one message of a request. Raises InvalidRequest."""
    data = _from_base64(body) if text else body
    if len(data) < 5 or data[0] != 0:
        raise InvalidRequest("The request is not one uncompressed grpc-web message.")
    (length,) = struct.unpack(">I", data[1:5])
    if len(data) != 5 + length:
        raise InvalidRequest("The request's length is not the one it announces.")
    return data[5:]


def _from_base64(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("The request is not base64.") from error


def frame(data: bytes, text: bool, flag: int = 0) -> bytes:
    """A message, or with the flag TRAILER the trailers."""
    framed = bytes([flag]) + struct.pack(">I", len(data)) + data
    return base64.b64encode(framed) if text else framed


def trailers(code: int, message: str, details: bytes, text: bool) -> bytes:
    """The last frame: how the call ended."""
    lines = [f"grpc-status:{code}"]
    if message:
        lines.append("grpc-message:" + quote(message, safe=" !#$&'()*+,/:;=?@[]~"))
    if details:
        lines.append("grpc-status-details-bin:" + base64.b64encode(details).decode().rstrip("="))
    return frame("".join(line + "\r\n" for line in lines).encode(), text, TRAILER)


def seconds(timeout: str) -> float | None:
    """A `grpc-timeout` header in seconds; None where there is none. Raises InvalidRequest."""
    if not timeout:
        return None
    found = _TIMEOUT.fullmatch(timeout)
    if found is None:
        raise InvalidRequest("grpc-timeout is not a duration.")
    return int(found[1]) * _UNITS[found[2]]
