"""What a refused call looks like inside the services. Standard library only."""

from enum import Enum
from typing import ClassVar

# A refusal travels in trailers, percent-encoded and in base64, beside what others add there. gRPC refuses more than
# 8 KiB of them, by chance up to 16 and always above: the caller would see that instead of the reason.
MESSAGE_BYTES = 1000
METADATA_BYTES = 400


class Code(Enum):
    """Canonical gRPC status codes; the value is the number on the wire."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class LucidError(Exception):
    """A refusal with a public face: a canonical code, a stable reason and a text for people.

    Subclasses name one failure each. Whatever is variable in the message belongs into `metadata` too (AIP-193). Text
    that is too long for a trailer is cut.
    """

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "INTERNAL"
    default: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, message: str = "", **metadata: str) -> None:
        self.message = _cut(message or self.default, MESSAGE_BYTES)
        self.metadata = {name: _cut(value, METADATA_BYTES) for name, value in metadata.items()}
        super().__init__(self.message)


def _cut(text: str, size: int) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= size else data[: size - len("…".encode())].decode(errors="ignore") + "…"


class Unauthenticated(LucidError):
    """The call carries no identity, or one that does not verify."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"
    default = "Authentication required"


class InternalOnly(LucidError):
    """The method serves other services only."""

    code = Code.PERMISSION_DENIED
    reason = "INTERNAL_ONLY"
    default = "This method is not open to people."


class InvalidRequest(LucidError):
    """A field of the request breaks its rule; `field` names it."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"
    default = "A field of the request is not valid."
