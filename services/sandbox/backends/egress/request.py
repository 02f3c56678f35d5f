"""The first lines that a caller says, read strictly: what could be understood in two ways is refused."""

import re
from dataclasses import dataclass

from services.sandbox.backends.egress.refusal import Refused
from services.sandbox.domain.network import LAST_PORT, BlockReason, is_address, is_name

MAX_HEAD = 8 * 1024
MAX_HEADERS = 64
_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]{1,4096}) HTTP/1\.[01]")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*)")
_AUTHORITY = re.compile(r"([^:@\[\]/?#\\]+):([1-9][0-9]{0,4})")
_ABSOLUTE = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:@\[\]]+)(?::([0-9]{1,5}))?(?:[/?#].*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Target:
    """Where a caller wants to go; `host` in lower case."""

    host: str
    port: int


def parse(head: bytes) -> Target:
    """The target of a request's head, which ends with an empty line. Raises Refused."""
    lines = _lines(head)
    match = _LINE.fullmatch(lines[0])
    if match is None:
        raise Refused(BlockReason.BAD_REQUEST, status=400)
    method, goal = match[1], match[2]
    if method != "CONNECT":
        raise Refused(BlockReason.NOT_CONNECT, *_shown(goal), status=405)
    target = _authority(goal)
    _check_headers(lines[1:], target)
    return target


def _lines(head: bytes) -> list[str]:
    """Lines end with CRLF, and hold neither of the two, nor anything else that is not shown."""
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        raise Refused(BlockReason.BAD_REQUEST, status=400) from None
    if not text.endswith("\r\n\r\n") or len(head) > MAX_HEAD:
        raise Refused(BlockReason.BAD_REQUEST, status=400)
    lines = text[:-4].split("\r\n")
    if len(lines) > MAX_HEADERS + 1 or any("\r" in line or "\n" in line for line in lines):
        raise Refused(BlockReason.BAD_REQUEST, status=400)
    return lines


def _authority(text: str) -> Target:
    """`name:port`. Whatever stands for an address, in any spelling, is none."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        is_ipv6 = text.startswith("[") or text.count(":") > 1
        raise Refused(BlockReason.ADDRESS if is_ipv6 else BlockReason.BAD_REQUEST, shown(text), status=403)
    host, port = match[1].lower(), int(match[2])
    if port > LAST_PORT:
        raise Refused(BlockReason.BAD_REQUEST, shown(host), status=400)
    if not is_name(host):
        reason = BlockReason.ADDRESS if is_address(host) else BlockReason.BAD_REQUEST
        raise Refused(reason, shown(host), port, status=403)
    return Target(host, port)


def _check_headers(lines: list[str], target: Target) -> None:
    """A body, or a second opinion about the host, is refused."""
    hosts = 0
    for line in lines:
        match = _HEADER.fullmatch(line)
        name, value = (match[1].lower(), match[2].strip().lower()) if match else ("", "")
        is_body = name == "transfer-encoding" or (name == "content-length" and value != "0")
        hosts += name == "host"
        is_other = name == "host" and value not in (target.host, f"{target.host}:{target.port}")
        if not name or is_body or is_other or hosts > 1:
            raise Refused(BlockReason.BAD_REQUEST, target.host, target.port, status=400)


def _shown(goal: str) -> tuple[str, int]:
    """Host and port of a request that is refused for its method, as far as it tells them."""
    match = _ABSOLUTE.fullmatch(goal)
    if match is None:
        return "", 0
    port = int(match[2] or (80 if goal.lower().startswith("http:") else 443))
    return shown(match[1].lower()), port if port <= LAST_PORT else 0


def shown(text: str) -> str:
    """What a caller has said, as it may be shown to people: short, of plain characters."""
    return "".join(char if "!" <= char <= "~" else "?" for char in text[:255])
