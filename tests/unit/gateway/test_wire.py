"""StreamResponse by hand is what protobuf makes of it."""

from hypothesis import given
from hypothesis import strategies as st
from lucid.gateway.v1.accounts_pb2 import StreamResponse

from services.gateway.domain.errors import Resync
from services.gateway.socket import wire


@given(st.integers(1, 2**32 - 1), st.binary(min_size=1, max_size=400))
def test_frames(stream_id: int, data: bytes) -> None:
    made = wire.frames(wire.prefix_of(stream_id), data)
    expected = StreamResponse(frames=StreamResponse.Frames(stream_id=stream_id, response=data))
    assert made == expected.SerializeToString()


def test_large_frames() -> None:
    data = b"x" * 300_000
    assert StreamResponse.FromString(wire.frames(wire.prefix_of(1), data)).frames.response == data


def test_ends() -> None:
    asked = StreamResponse.FromString(wire.end(7, None)).end
    assert (asked.stream_id, asked.code, asked.reason) == (7, 0, "")
    slow = StreamResponse.FromString(wire.end(7, Resync())).end
    assert (slow.code, slow.reason) == (8, "RESYNC")
    assert slow.message
