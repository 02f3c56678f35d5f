"""This process as one of several replicas: what they tell each other, put together."""

from lucid.sessions.bus.v1.bus_pb2 import Deleted, Note, Pausing, Stopping, Wanted

from services.sessions.ports import Bus, Signals
from services.sessions.store.exchange import Exchange
from services.sessions.store.sharing import SharedWatching


class SharedSignals:
    """The Signals port where sessions run in several processes: `local` at once, the others by the bus."""

    def __init__(self, local: Signals, exchange: Exchange) -> None:
        self._local = local
        self._exchange = exchange

    def wanted(self) -> None:
        """A session has work to do."""
        self._local.wanted()
        self._exchange.tell(Note(wanted=Wanted()))

    def stop(self, session_id: str) -> None:
        """A stop was requested."""
        self._local.stop(session_id)
        self._exchange.tell(Note(session_id=session_id, stopping=Stopping()))

    def pause(self, session_id: str) -> None:
        """A pause was requested."""
        self._local.pause(session_id)
        self._exchange.tell(Note(session_id=session_id, pausing=Pausing()))

    def deleted(self, session_id: str) -> None:
        """The session is gone."""
        self._local.deleted(session_id)
        self._exchange.tell(Note(session_id=session_id, deleted=Deleted()))

    def hear(self, note: Note) -> None:
        """What another replica says is for our runner too."""
        kind = note.WhichOneof("kind")
        if kind == "wanted":
            self._local.wanted()
        elif kind == "stopping":
            self._local.stop(note.session_id)
        elif kind == "pausing":
            self._local.pause(note.session_id)
        elif kind == "deleted":
            self._local.deleted(note.session_id)


class Replica:
    """Started after the store, stopped before it. `local`: signals for the runner of this process."""

    def __init__(self, bus: Bus, local: Signals) -> None:
        self._exchange = Exchange(bus)
        self.live = SharedWatching(self._exchange)
        self.signals = SharedSignals(local, self._exchange)
        self._exchange.hear = self._hear

    def start(self) -> None:
        """Begins to speak, to listen and to poll."""
        self._exchange.start()
        self.live.start()

    async def stop(self) -> None:
        """Says what is left to say, then ends."""
        await self.live.stop()
        await self._exchange.stop()

    def _hear(self, replica: str, note: Note) -> None:
        self.live.hear(replica, note)
        self.signals.hear(note)
