"""Every refusal of the sessions service."""

from services.rpc.errors import Code, LucidError


class SessionNotFound(LucidError):
    """Absent, deleted or somebody else's: they look the same."""

    code = Code.NOT_FOUND
    reason = "SESSION_NOT_FOUND"
    default = "There is no such session."


class CursorBeyondEnd(LucidError):
    """The watcher's cursor is ahead of the log; metadata `last_seq`."""

    code = Code.OUT_OF_RANGE
    reason = "CURSOR_BEYOND_END"
    default = "The cursor is beyond the end of the log."


class Resync(LucidError):
    """The watcher reads too slowly; it watches again from where it is."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "RESYNC"
    default = "Too slow to follow; watch again from where you are."


class Fenced(LucidError):
    """Another owner has taken the session over; whoever sees this stops at once."""

    code = Code.ABORTED
    reason = "FENCED"
    default = "Another owner has taken this session over."


class LogMoved(LucidError):
    """The log has grown since the caller looked; it looks again."""

    code = Code.ABORTED
    reason = "LOG_MOVED"
    default = "The session has changed meanwhile."


class UnknownModel(LucidError):
    """No provider of this installation serves the model."""

    code = Code.INVALID_ARGUMENT
    reason = "UNKNOWN_MODEL"
    default = "This model is not known here."


class ImageNotAllowed(LucidError):
    """Not on the operator's list."""

    code = Code.INVALID_ARGUMENT
    reason = "IMAGE_NOT_ALLOWED"
    default = "The operator does not allow this image."


class NoModelKey(LucidError):
    """The model's provider has no key."""

    code = Code.INVALID_ARGUMENT
    reason = "NO_MODEL_KEY"
    default = "There is no key for this model's provider."


class InvalidRepository(LucidError):
    """The repository is neither a name with its provider nor an address."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REPOSITORY"
    default = "This is not a repository."


class ApprovalNotFound(LucidError):
    """The session has no such question or approval."""

    code = Code.NOT_FOUND
    reason = "APPROVAL_NOT_FOUND"
    default = "There is no such question."


class ApprovalAlreadyResolved(LucidError):
    """It was answered differently before; the first decision stands."""

    code = Code.FAILED_PRECONDITION
    reason = "APPROVAL_RESOLVED"
    default = "This was answered before."


class UnknownOption(LucidError):
    """The question or approval has no such option."""

    code = Code.INVALID_ARGUMENT
    reason = "UNKNOWN_OPTION"
    default = "This is not one of the answers to choose from."


class TextNeeded(LucidError):
    """The chosen option wants words with it."""

    code = Code.INVALID_ARGUMENT
    reason = "TEXT_NEEDED"
    default = "This answer needs some words with it."


class NetworkNotAllowed(LucidError):
    """More network than this installation allows a session."""

    code = Code.FAILED_PRECONDITION
    reason = "NETWORK_NOT_ALLOWED"
    default = "This installation does not allow a session that much network."


class QueueItemNotFound(LucidError):
    """No message with this id waits in the queue, or it was withdrawn."""

    code = Code.NOT_FOUND
    reason = "QUEUE_ITEM_NOT_FOUND"
    default = "This message is not in the queue."


class QueueItemTaken(LucidError):
    """The agent has the message already."""

    code = Code.FAILED_PRECONDITION
    reason = "QUEUE_ITEM_TAKEN"
    default = "The agent has taken this message already."


class QueueFull(LucidError):
    """So many messages wait that no more are taken in."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "QUEUE_FULL"
    default = "Too many messages wait already."


class SandboxAway(LucidError):
    """The sandbox cannot be reached now."""

    code = Code.UNAVAILABLE
    reason = "SANDBOX_AWAY"
    default = "The sandbox cannot be reached now; try again."


class StoreUnavailable(LucidError):
    """The database does not answer; nothing was changed."""

    code = Code.UNAVAILABLE
    reason = "STORE_UNAVAILABLE"
    default = "The database does not answer; try again."


class Leaving(LucidError):
    """This replica is about to end; the same call is answered by another one."""

    code = Code.UNAVAILABLE
    reason = "LEAVING"
    default = "This server is about to end; try again."
