"""What a push asks for: the commands before the pack, read strictly, and judged against one branch prefix."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.integrations.domain.pktline import FLUSH, BadPacketLine, PacketReader, encode

MAX_COMMANDS = 64
MAX_COMMAND_BYTES = 64 * 1024
_OID = rb"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_COMMAND = re.compile(rb"(" + _OID + rb") (" + _OID + rb") ([^\x00\n ]+)")
_SHALLOW = re.compile(rb"shallow " + _OID + rb"\n?")
_FORBIDDEN_CAPABILITIES = (b"push-options", b"push-cert")
_BRANCH = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_BAD_PARTS = (b"..", b"//", b"/.", b".lock/", b"./")
_BAD_ENDS = (b".lock", b"/", b".")


class BadPush(ValueError):
    """The request is not a push as git writes it. `status` is the HTTP status it earns."""

    status = 400


class ForbiddenPush(BadPush):
    """It asks for something the gate never passes on."""

    status = 403


@dataclass(frozen=True)
class Command:
    """Move `ref` from `old` to `new`."""

    old: bytes
    new: bytes
    ref: bytes

    @property
    def deletes(self) -> bool:
        """New value all zeros."""
        return not self.new.strip(b"0")


@dataclass(frozen=True)
class PushRequest:
    """The commands, the capabilities the client chose, and the section's bytes with its flush."""

    commands: tuple[Command, ...]
    capabilities: frozenset[bytes]
    raw: bytes

    @property
    def side_band(self) -> bool:
        """The report travels in side-band 1."""
        return bool(self.capabilities & {b"side-band-64k", b"side-band"})

    @property
    def reports(self) -> bool:
        """The client asked for a report-status; git always does."""
        return bool(self.capabilities & {b"report-status", b"report-status-v2"})


class CommandReader:
    """Takes the body in any pieces until the flush after the commands; what follows is `rest`, untouched."""

    def __init__(self) -> None:
        self._packets = PacketReader()
        self._raw: list[bytes] = []
        self._size = 0
        self._commands: list[Command] = []
        self._capabilities: frozenset[bytes] = frozenset()
        self.push: PushRequest | None = None

    @property
    def rest(self) -> bytes:
        """Bytes after the flush: the pack."""
        return self._packets.rest

    def feed(self, data: bytes) -> bool:
        """True once the flush was seen. Raises BadPush."""
        self._packets.feed(data)
        while self.push is None:
            try:
                whole, line = self._packets.next()
            except BadPacketLine as error:
                raise BadPush("not a push: broken pkt-line") from error
            if not whole:
                if self._size + len(self._packets.rest) > MAX_COMMAND_BYTES + 4:
                    raise BadPush("too many commands in one push")
                return False
            self._take(line)
        return True

    def finish(self) -> PushRequest:
        """The push. Raises BadPush if the body ended early."""
        if self.push is None:
            raise BadPush("not a push: the commands are cut off")
        return self.push

    def _take(self, line: bytes | None) -> None:
        self._raw.append(FLUSH if line is None else encode(line))
        self._size += len(self._raw[-1])
        if self._size > MAX_COMMAND_BYTES:
            raise BadPush("too many commands in one push")
        if line is None:
            self.push = PushRequest(tuple(self._commands), self._capabilities, b"".join(self._raw))
        elif line.startswith(b"push-cert"):
            raise ForbiddenPush("signed pushes do not pass this gate")
        elif line.startswith(b"shallow "):
            if not _SHALLOW.fullmatch(line):
                raise BadPush("not a push: broken shallow line")
        else:
            self._command(line)

    def _command(self, line: bytes) -> None:
        if not self._commands:
            line, _, capabilities = line.partition(b"\0")
            self._capabilities = _capabilities(capabilities)
        match = _COMMAND.fullmatch(line)
        if not match:
            raise BadPush("not a push: broken command")
        command = Command(*match.groups())
        if len(command.old) != len(command.new):
            raise BadPush("not a push: two kinds of object names")
        self._commands.append(command)
        if len(self._commands) > MAX_COMMANDS:
            raise BadPush("too many commands in one push")


def _capabilities(text: bytes) -> frozenset[bytes]:
    if b"\0" in text or b"\n" in text.rstrip(b"\n"):
        raise BadPush("not a push: broken capabilities")
    capabilities = frozenset(text.strip().split(b" "))
    if any(word.startswith(_FORBIDDEN_CAPABILITIES) for word in capabilities):
        raise ForbiddenPush("push options and signed pushes do not pass this gate")
    return capabilities


def refusals(push: PushRequest, branch_prefix: str) -> Mapping[bytes, str]:
    """Why each ref of the push may not be moved; empty if the push may pass. One bad ref refuses all."""
    found: dict[bytes, str] = {}
    seen: set[bytes] = set()
    for command in push.commands:
        if reason := _refusal(command, branch_prefix, command.ref in seen):
            found[command.ref] = reason
        seen.add(command.ref)
    if not found:
        return {}
    return {ref: found.get(ref, "refused together with the others") for ref in seen}


def _refusal(command: Command, branch_prefix: str, repeated: bool) -> str:
    head = b"refs/heads/" + branch_prefix.encode()
    name = command.ref.removeprefix(head)
    if not command.ref.startswith(head) or not _legal(name):
        return f"only {branch_prefix}* may be pushed from this session"
    if command.deletes:
        return "branches cannot be deleted from this session"
    return "named twice" if repeated else ""


def _legal(name: bytes) -> bool:
    return bool(_BRANCH.fullmatch(name)) and not name.endswith(_BAD_ENDS) and not any(bad in name for bad in _BAD_PARTS)


def refusal_report(push: PushRequest, reasons: Mapping[bytes, str]) -> bytes:
    """The answer's body: `unpack ok`, then `ng <ref> <reason>` each, in side-band 1 where that was agreed."""
    lines = [b"unpack ok\n", *(b"ng " + ref + b" " + reason.encode() + b"\n" for ref, reason in reasons.items())]
    report = b"".join(encode(line) for line in lines) + FLUSH
    if not push.side_band:
        return report
    size = 65515 if b"side-band-64k" in push.capabilities else 995
    pieces = [encode(b"\x01" + report[at : at + size]) for at in range(0, len(report), size)]
    return b"".join(pieces) + FLUSH
