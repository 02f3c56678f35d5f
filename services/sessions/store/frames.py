"""Frames as bytes: what is stored goes to the wire without being parsed, and messages join by concatenation."""

from collections.abc import Mapping

from lucid.sessions.v1.event_pb2 import Delta, Frame
from lucid.sessions.v1.sessions_pb2 import WatchEventsResponse


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


def rest_of_delta(answer: bytes, have: Mapping[tuple[str, int], int]) -> bytes:
    """Of an answer with one delta what a watcher lacks that has so many bytes of these items; empty if it has all."""
    delta = WatchEventsResponse.FromString(answer).frames[0].delta
    known = have.get((delta.item_id, int(delta.channel)), 0) - delta.offset
    if known <= 0:
        return answer
    if known >= len(delta.data):
        return b""
    rest = delta.data[known:]
    return delta_response(delta.item_id, int(delta.channel), delta.offset + known, rest, delta.after_seq)


def event_field(stored: bytes) -> bytes:
    """One element of ListEventsResponse.events."""
    return _field(1, stored)
