"""Frames as bytes: what is stored goes to the wire without being parsed, and messages join by concatenation."""

from lucid.sessions.v1.event_pb2 import Delta, Frame


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(tag: int, data: bytes) -> bytes:
    """A length-delimited field (protobuf encoding, wire type 2)."""
    return bytes((tag << 3 | 2,)) + _varint(len(data)) + data


def event_response(stored: bytes) -> bytes:
    """WatchEventsResponse{frames: [Frame{event}]} around the stored bytes of an event."""
    return _field(1, _field(1, stored))


def frame_response(frame: Frame) -> bytes:
    """WatchEventsResponse{frames: [frame]}."""
    return _field(1, frame.SerializeToString())


def delta_response(item_id: str, channel: int, offset: int, data: bytes, after_seq: int) -> bytes:
    """WatchEventsResponse with one delta."""
    delta = Delta(item_id=item_id, channel=channel, offset=offset, data=data, after_seq=after_seq)  # type: ignore[arg-type]
    return _field(1, _field(2, delta.SerializeToString()))


def event_field(stored: bytes) -> bytes:
    """One element of ListEventsResponse.events."""
    return _field(1, stored)
