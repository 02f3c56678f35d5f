"""grpc-web's framing."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.rest import frames
from services.rpc.errors import InvalidRequest


@given(st.binary(max_size=300), st.booleans())
def test_a_message_survives_its_frame(data: bytes, text: bool) -> None:
    assert frames.only_message(frames.frame(data, text), text) == data


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_a_message_or_refused(body: bytes, text: bool) -> None:
    try:
        found = frames.only_message(body, text)
    except InvalidRequest:
        return
    assert frames.frame(found, False) == (base64.b64decode(body) if text else body)


@given(st.text(max_size=60))
def test_trailers_hold_one_line_each(message: str) -> None:
    try:
        message.encode()
    except UnicodeEncodeError:
        return
    lines = frames.trailers(5, message, b"\x00\x01", text=False)[5:].decode("ascii").split("\r\n")
    names = [line.partition(":")[0] for line in lines if line]
    assert names == ["grpc-status", *(["grpc-message"] if message else []), "grpc-status-details-bin"]


@pytest.mark.parametrize(
    ("header", "seconds"), [("", None), ("5S", 5.0), ("200m", 0.2), ("1H", 3600.0), ("2M", 120.0), ("7u", 7e-6)]
)
def test_timeouts(header: str, seconds: float | None) -> None:
    assert frames.seconds(header) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("header", ["5", "S", "-1S", "1.5S", "999999999S", "5 S", "5s"])
def test_other_timeouts_are_refused(header: str) -> None:
    with pytest.raises(InvalidRequest):
        frames.seconds(header)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("application/grpc-web", False),
        ("application/grpc-web+proto; charset=x", False),
        ("Application/gRPC-web-text", True),
        ("application/grpc-web-text+proto", True),
        ("application/grpc-web+json", None),
        ("application/grpc", None),
        ("", None),
    ],
)
def test_content_types(kind: str, text: bool | None) -> None:
    assert frames.is_text(kind) is text
