"""Every refusal of the gateway's own."""

from services.rpc.errors import Code, LucidError


class InvalidEmail(LucidError):
    """It is not an address."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_EMAIL"
    default = "This is not an e-mail address."


class UserNotFound(LucidError):
    """The caller's identity is good, but no account here belongs to it."""

    code = Code.NOT_FOUND
    reason = "USER_NOT_FOUND"
    default = "No account here belongs to this identity."


class OriginRefused(LucidError):
    """A cookie came along with a request that another site may have made."""

    code = Code.PERMISSION_DENIED
    reason = "ORIGIN_REFUSED"
    default = "This request does not come from Lucid's own page."


class TooManyWatches(LucidError):
    """A socket follows as many sessions as it may."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_WATCHES"
    default = "This socket follows too many sessions at once."


class Resync(LucidError):
    """The reader fell behind and is to begin again from where it is."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "RESYNC"
    default = "The reader is too slow; watch again from where you are."


class Away(LucidError):
    """A service cannot be reached; the transport's own words, which hold addresses, are kept from people."""

    code = Code.UNAVAILABLE
    reason = "UNAVAILABLE"
    default = "A part of Lucid cannot be reached just now. Try again in a moment."


class StreamEnded(LucidError):
    """The session's service ended a stream by itself."""

    code = Code.UNAVAILABLE
    reason = "STREAM_ENDED"
    default = "The stream has ended; watch again from where you are."
