"""The file that a session is exported as, and the check of it.

JSON lines in UTF-8, each in its shortest form (no spaces, nothing escaped that need not be):

1. The header: `format`, `version`, `session_id`, `epoch`, `title`, `task`, `model`, `exported` (UTC), `last_seq`, and
   `session`, the protos' Session as JSON without its owner.
2. One line per event, seq 1, 2, 3… without gaps: `seq`, `sha256` (hex, over the stored bytes), `data` (the stored bytes
   in base64), `event` (the same as the protos' JSON, for people; null where there is no such form). Inside the bytes,
   `prev_hash` of event N is the SHA-256 over the stored bytes of event N-1.
3. The end: `end` true, `count`, `last_sha256`, and `file_sha256` over all bytes before this line.

The check finds every byte that was changed and every line that was removed, added, moved or cut off by somebody who did
not build the rest anew. It cannot find more: there is no signature in the file, so whoever rewrites all of it, with
every hash, makes another valid file. Compare `last_sha256` with one that was kept elsewhere to rule that out.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from google.protobuf.json_format import Error as NoJson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from lucid.sessions.v1.event_pb2 import Event
from lucid.sessions.v1.sessions_pb2 import Session

FORMAT = "lucid-session-export"
VERSION = 1
# Of the file, in one message: far below gRPC's limit of 4 MiB, and enough to make the calls few.
PART = 256 * 1024


class BadExport(Exception):
    """The file is not a whole, unchanged export; the text says where it fails first."""


class Writer:
    """Makes the lines of one file, in order."""

    def __init__(self) -> None:
        self._file = hashlib.sha256()
        self._count = 0
        self._last = ""

    def header(self, session: Session, exported: datetime) -> bytes:
        """The first line."""
        shown = Session()
        shown.CopyFrom(session)
        shown.ClearField("owner_id")
        return self._add(
            {
                "format": FORMAT,
                "version": VERSION,
                "session_id": session.session_id,
                "epoch": session.epoch,
                "title": session.title,
                "task": session.task,
                "model": session.model,
                "exported": exported.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "last_seq": session.last_seq,
                "session": MessageToDict(shown),
            }
        )

    def event(self, seq: int, stored: bytes) -> bytes:
        """The line of an event."""
        self._count, self._last = self._count + 1, hashlib.sha256(stored).hexdigest()
        data = base64.b64encode(stored).decode()
        return self._add({"seq": seq, "sha256": self._last, "data": data, "event": _shown(Event.FromString(stored))})

    def end(self) -> bytes:
        """The last line."""
        return _line(_ending(self._count, self._last, self._file.hexdigest()))

    def _add(self, content: dict[str, Any]) -> bytes:
        line = _line(content)
        self._file.update(line)
        return line


def parts(lines: bytearray) -> Iterator[bytes]:
    """Takes full parts from the front; a long line goes in several."""
    while len(lines) >= PART:
        part = bytes(lines[:PART])
        del lines[:PART]
        yield part


def checked(lines: Iterable[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Every line but the last with the stored bytes in it (none for the header), each checked before it is answered.

    Raises BadExport; only who has read to the end knows that the file is whole.
    """
    rest, digest = iter(lines), hashlib.sha256()
    first = next(rest, b"")
    header = _header(first)
    digest.update(first)
    yield header, b""
    count, last = 0, b""
    for line in rest:
        content = _content(line, f"seq {count + 1}")
        if "end" in content:
            _check_end(header, line, _ending(count, last.hex(), digest.hexdigest()), count)
            _check_nothing_follows(rest)
            return
        data, last = _stored(header, content, count + 1, last)
        count += 1
        digest.update(line)
        yield content, data
    raise BadExport(f"seq {count + 1}: the file is cut off before its end")


def _header(line: bytes) -> dict[str, Any]:
    header = _content(line, "header")
    if header.get("format") != FORMAT:
        raise BadExport("header: this is not the export of a session")
    if header.get("version") != VERSION:
        raise BadExport(f"header: version {header.get('version')} is not known here")
    return header


def _content(line: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadExport(f"{where}: not a line of JSON") from error
    # Also what says the same in other bytes was changed.
    if not isinstance(content, dict) or _line(content) != line:
        raise BadExport(f"{where}: the line was changed")
    return content


def _stored(header: dict[str, Any], content: dict[str, Any], seq: int, last: bytes) -> tuple[bytes, bytes]:
    """The stored bytes and their hash."""
    where = f"seq {seq}"
    try:
        data = base64.b64decode(content.get("data", ""), validate=True)
        event = Event.FromString(data)
    except (DecodeError, binascii.Error, TypeError, ValueError) as error:
        raise BadExport(f"{where}: data is not an event") from error
    found = hashlib.sha256(data).digest()
    facts = (
        (list(content) == ["seq", "sha256", "data", "event"], "the line is not that of an event"),
        (content.get("seq") == seq, f"expected here, found {content.get('seq')}"),
        (event.seq == seq, f"data says seq {event.seq}"),
        (base64.b64encode(data).decode() == content.get("data"), "data was changed"),
        (content.get("sha256") == found.hex(), "sha256 is not that of data"),
        (event.prev_hash == last, "prev_hash is not the hash of the event before"),
        (event.session_id == header.get("session_id"), "belongs to another session"),
        (event.epoch == header.get("epoch"), "belongs to another log"),
        (content.get("event") == _shown(event), "event is not what data says"),
    )
    for holds, words in facts:
        if not holds:
            raise BadExport(f"{where}: {words}")
    return data, found


def _shown(event: Event) -> dict[str, Any] | None:
    try:
        return MessageToDict(event)
    except NoJson:
        # A number that JSON does not have: the bytes stand all the same.
        return None


def _check_end(header: dict[str, Any], line: bytes, expected: dict[str, Any], count: int) -> None:
    if count != header.get("last_seq"):
        raise BadExport(f"seq {count + 1}: missing, the header says last_seq {header.get('last_seq')}")
    found = json.loads(line)
    if found.get("last_sha256") != expected["last_sha256"] or found.get("count") != count:
        raise BadExport("end: does not match the events")
    if _line(expected) != line:
        raise BadExport("end: file_sha256 does not match; the header or the end was changed")


def _check_nothing_follows(rest: Iterator[bytes]) -> None:
    if next(rest, None) is not None:
        raise BadExport("end: something follows it")


def _ending(count: int, last: str, digest: str) -> dict[str, Any]:
    return {"end": True, "count": count, "last_sha256": last, "file_sha256": digest}


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
