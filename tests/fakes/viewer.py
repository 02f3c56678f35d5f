"""A viewer that follows events.md §4 rule 5 to the letter and complains about everything that should not happen."""

from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Delta, Event, Frame, ItemCursor

_STARTS = {"text_started", "command_started"}
_ENDS = {"text_completed", "command_completed"}


class Viewer:
    """What a client knows of a session. `feed` answers False where the client has to watch again."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.epoch = 0
        self.events: list[Event] = []
        self.open: dict[tuple[str, int], bytes] = {}
        self.started: set[str] = set()
        self.caught_up = False
        self.delta_bytes = 0
        # Shown, and then not part of the text: what an owner that died had not check-pointed yet.
        self.taken_back = 0
        self.repeated_events = 0

    @property
    def last_seq(self) -> int:
        return self.events[-1].seq if self.events else 0

    def request(self) -> pb.WatchEventsRequest:
        self.caught_up = False
        items = [
            ItemCursor(item_id=item, channel=channel, have=len(data))  # type: ignore[arg-type]
            for (item, channel), data in self.open.items()
        ]
        return pb.WatchEventsRequest(session_id=self.session_id, epoch=self.epoch, after_seq=self.last_seq, items=items)

    def feed(self, frame: Frame) -> bool:
        kind = frame.WhichOneof("frame")
        if kind == "event":
            return self._event(frame.event)
        if kind == "delta":
            return self._delta(frame.delta)
        if kind == "caught_up":
            self.caught_up = True
            return frame.caught_up.seq <= self.last_seq
        if kind == "heartbeat":
            return frame.heartbeat.last_seq <= self.last_seq
        raise AssertionError(f"unexpected {kind}")

    def _event(self, event: Event) -> bool:
        if event.seq <= self.last_seq:
            self.repeated_events += 1
            return True
        if event.seq > self.last_seq + 1:
            return False
        self.events.append(event)
        self.epoch = event.epoch
        kind = event.WhichOneof("payload")
        if kind in _STARTS:
            self.started.add(event.item_id)
        elif kind in _ENDS:
            for key in [key for key in self.open if key[0] == event.item_id]:
                shown = self.open.pop(key)
                if kind == "text_completed":
                    text = event.text_completed.text.encode()
                    # After a crash the item ends at its check-point, and the viewer may have seen a little more than
                    # that; the completed event sets it right.
                    more = event.text_completed.reset and shown.startswith(text)
                    assert text.startswith(shown) or more, "shown text was never true"
                    self.taken_back += max(0, len(shown) - len(text))
            self.started.discard(event.item_id)
        return True

    def _delta(self, delta: Delta) -> bool:
        if delta.after_seq > self.last_seq:
            return False
        if delta.item_id not in self.started:
            return True
        have = self.open.setdefault((delta.item_id, int(delta.channel)), b"")
        if delta.offset > len(have):
            return False
        self.delta_bytes += len(delta.data)
        self.open[delta.item_id, int(delta.channel)] = have + delta.data[len(have) - delta.offset :]
        return True
