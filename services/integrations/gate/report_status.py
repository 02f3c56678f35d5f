"""Reads the provider's report-status while it passes through, to know which refs were really moved."""

from services.integrations.domain.pktline import BadPacketLine, PacketReader

MAX_REPORT_BYTES = 256 * 1024


class ReportReader:
    """Takes the answer's body in any pieces. `complete` at the report's flush; nonsense is never accepted."""

    def __init__(self, side_band: bool) -> None:
        self._outer = PacketReader(largest=65532)
        self._report = PacketReader()
        self._side_band = side_band
        self._broken = False
        self._seen = 0
        self._unpacked = False
        self._accepted: list[bytes] = []
        self.complete = False

    @property
    def accepted(self) -> tuple[bytes, ...]:
        """The refs reported `ok`, if the pack was unpacked."""
        return tuple(self._accepted) if self._unpacked and not self._broken else ()

    def feed(self, data: bytes) -> None:
        """More of the body."""
        if self._broken or self.complete:
            return
        try:
            if self._side_band:
                self._demultiplex(data)
            else:
                self._read(data)
        except BadPacketLine:
            self._broken = True

    def _demultiplex(self, data: bytes) -> None:
        self._outer.feed(data)
        while not self.complete:
            whole, line = self._outer.next()
            if not whole or line is None:
                return
            if line[:1] == b"\x01":
                self._read(line[1:])

    def _read(self, data: bytes) -> None:
        self._seen += len(data)
        if self._seen > MAX_REPORT_BYTES:
            raise BadPacketLine
        self._report.feed(data)
        while not self.complete:
            whole, line = self._report.next()
            if not whole:
                return
            if line is None:
                self.complete = True
            else:
                self._line(line.rstrip(b"\n"))

    def _line(self, line: bytes) -> None:
        if line == b"unpack ok":
            self._unpacked = True
        elif line.startswith(b"ok "):
            self._accepted.append(line[3:])
