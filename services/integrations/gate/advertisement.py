"""Takes capabilities that must not be used out of a receive-pack advertisement, while it passes through."""

from services.integrations.domain.pktline import FLUSH, BadPacketLine, PacketReader, encode

MAX_LINES_BEFORE_CAPABILITIES = 8
_STRIPPED = (b"push-options", b"push-cert")


class BadAdvertisement(ValueError):
    """The upstream's answer is not an advertisement."""


class AdvertisementFilter:
    """Rewrites the one line that holds capabilities (the first with a NUL); everything after it passes untouched."""

    def __init__(self) -> None:
        self._packets = PacketReader()
        self._lines = 0
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now. Raises BadAdvertisement."""
        return data if self._done else self._until_capabilities(data)

    def _until_capabilities(self, data: bytes) -> bytes:
        self._packets.feed(data)
        out: list[bytes] = []
        whole, line = self._next()
        while whole:
            out.append(FLUSH if line is None else encode(self._rewrite(line)))
            if self._done:
                out.append(self._packets.rest)
                break
            whole, line = self._next()
        return b"".join(out)

    def finish(self) -> None:
        """Raises BadAdvertisement if it ended before the capabilities."""
        if not self._done:
            raise BadAdvertisement

    def _next(self) -> tuple[bool, bytes | None]:
        try:
            whole, line = self._packets.next()
        except BadPacketLine as error:
            raise BadAdvertisement from error
        self._lines += whole
        if self._lines > MAX_LINES_BEFORE_CAPABILITIES:
            raise BadAdvertisement
        return whole, line

    def _rewrite(self, line: bytes) -> bytes:
        head, nul, capabilities = line.partition(b"\0")
        if not nul:
            return line
        self._done = True
        words = capabilities.rstrip(b"\n").split(b" ")
        kept = b" ".join(word for word in words if not word.startswith(_STRIPPED))
        return head + nul + kept + b"\n"
