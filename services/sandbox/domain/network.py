"""What a sandbox may reach beyond the git gate: names and ports, decided when it is made and never changed."""

import re
from dataclasses import dataclass
from enum import Enum

DEFAULT_PORT = 443
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_RULE = re.compile(r"(\*\.)?([^:*\s]+)(?::([1-9][0-9]{0,4}))?")
LONGEST_NAME = 253
LAST_PORT = 65535


class NetworkMode(Enum):
    """How far a sandbox's network goes; each one includes those before it."""

    OFF = "off"
    REGISTRIES = "registries"
    LIST = "list"

    def within(self, other: "NetworkMode") -> bool:
        """Whether this is no more than the other."""
        order = list(NetworkMode)
        return order.index(self) <= order.index(other)


class BlockReason(Enum):
    """Why a call did not go out."""

    NETWORK_OFF = "NETWORK_OFF"
    NOT_ALLOWED = "NOT_ALLOWED"
    NOT_CONNECT = "NOT_CONNECT"
    BAD_REQUEST = "BAD_REQUEST"
    ADDRESS = "ADDRESS"
    PRIVATE_ADDRESS = "PRIVATE_ADDRESS"
    NOT_TLS = "NOT_TLS"
    NO_NAME = "NO_NAME"
    OTHER_NAME = "OTHER_NAME"
    HIDDEN_NAME = "HIDDEN_NAME"
    TOO_SLOW = "TOO_SLOW"
    TOO_MANY = "TOO_MANY"


@dataclass(frozen=True)
class HostRule:
    """A host that may be called. `name` in lower case; `below`: not the name itself but all names under it.

    `private`: the operator trusts it although its address is not a public one.
    """

    name: str
    port: int = DEFAULT_PORT
    below: bool = False
    private: bool = False

    def matches(self, host: str, port: int) -> bool:
        """`host` in lower case."""
        named = host.endswith(f".{self.name}") if self.below else host == self.name
        return named and port == self.port

    def __str__(self) -> str:
        return f"{'*.' if self.below else ''}{self.name}:{self.port}"


@dataclass(frozen=True)
class NetworkPolicy:
    """What one sandbox may reach. No rules: nothing."""

    mode: NetworkMode = NetworkMode.OFF
    rules: tuple[HostRule, ...] = ()

    def rule_for(self, host: str, port: int) -> HostRule | None:
        """The rule that lets the call pass; one that trusts a private address before one that does not."""
        found = [rule for rule in self.rules if rule.matches(host, port)]
        return max(found, key=lambda rule: rule.private, default=None)

    @property
    def hosts(self) -> tuple[str, ...]:
        """For people: `name:port`."""
        return tuple(map(str, self.rules))


NO_NETWORK = NetworkPolicy()


@dataclass(frozen=True)
class NetworkChoice:
    """What the operator allows: at most `mode`, with these rules."""

    mode: NetworkMode = NetworkMode.OFF
    registries: tuple[HostRule, ...] = ()
    hosts: tuple[HostRule, ...] = ()

    def policy(self, mode: NetworkMode) -> NetworkPolicy:
        """That of a sandbox in this mode."""
        rules = {
            NetworkMode.OFF: (),
            NetworkMode.REGISTRIES: self.registries,
            NetworkMode.LIST: (*self.registries, *self.hosts),
        }[mode]
        return NetworkPolicy(mode, tuple(dict.fromkeys(rules)))


NOTHING_ALLOWED = NetworkChoice()


@dataclass(frozen=True)
class BlockedCall:
    """A call that did not go out. `command_id`: whose it was, if that could be found out; `allowed`: what may be."""

    host: str
    port: int
    reason: BlockReason
    command_id: str = ""
    allowed: tuple[str, ...] = ()


def is_name(text: str) -> bool:
    """Whether a text in lower case is a name, and no spelling of an address: no name ends in a number."""
    return len(text) <= LONGEST_NAME and bool(_NAME.fullmatch(text)) and not is_address(text)


def is_address(text: str) -> bool:
    """Whether somebody could read an IPv4 address in it: decimal, octal or hexadecimal, of one part or four."""
    return bool(_NUMBER.fullmatch(text.rstrip(".").rpartition(".")[2]))


def host_rule(text: str, private: bool = False) -> HostRule:
    """`name`, `name:port`, `*.name` or `*.name:port`. Raises ValueError."""
    match = _RULE.fullmatch(text.strip().lower())
    if match is None or not is_name(match[2]) or int(match[3] or DEFAULT_PORT) > LAST_PORT:
        msg = f"{text!r} is no host that can be allowed: name, name:port, *.name or *.name:port"
        raise ValueError(msg)
    return HostRule(match[2], int(match[3] or DEFAULT_PORT), below=bool(match[1]), private=private)
