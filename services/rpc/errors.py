"""What a refused call looks like inside the services. Standard library only."""

from enum import Enum
from typing import ClassVar


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

    Subclasses name one failure each. Whatever is variable in the message belongs into `metadata` too (AIP-193).
    """

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "INTERNAL"
    default: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, message: str = "", **metadata: str) -> None:
        self.message = message or self.default
        self.metadata = metadata
        super().__init__(self.message)


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
