"""StreamResponse by hand, around bytes that are passed through as they are (protos/lucid/gateway/v1)."""

from lucid.gateway.v1.accounts_pb2 import StreamResponse

from services.rpc.errors import LucidError

PONG = StreamResponse(pong=StreamResponse.Pong()).SerializeToString()
# Field 1 with a length; inside field 1 as a number and field 2 with a length.
_FRAMES, _STREAM_ID, _RESPONSE = b"\x0a", b"\x08", b"\x12"


def varint(number: int) -> bytes:
    """Protobuf's variable-length number."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def prefix_of(stream_id: int) -> bytes:
    """The part of every Frames message that stays the same for a watch."""
    return _STREAM_ID + varint(stream_id) + _RESPONSE


def frames(prefix: bytes, response: bytes) -> bytes:
    """A StreamResponse with Frames. `response`: one or more serialised WatchEventsResponses, joined."""
    size = varint(len(response))
    return b"".join((_FRAMES, varint(len(prefix) + len(size) + len(response)), prefix, size, response))


def end(stream_id: int, error: LucidError | None) -> bytes:
    """A StreamResponse with End; no error: the page asked for it."""
    ending = StreamResponse.End(stream_id=stream_id)
    if error is not None:
        ending.code, ending.reason, ending.message = error.code.value, error.reason, error.message
    return StreamResponse(end=ending).SerializeToString()
