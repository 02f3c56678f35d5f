"""Every refusal integrations can give."""

from services.rpc.errors import Code, LucidError


class UnsupportedProvider(LucidError):
    """The provider is not one we know, or not for this act."""

    code = Code.INVALID_ARGUMENT
    reason = "UNSUPPORTED_PROVIDER"
    default = "Unsupported provider. Use 'github' or 'gitlab'."


class InvalidRepository(LucidError):
    """The text names no repository."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REPOSITORY"
    default = "That is not the address of a repository. Use https://host/owner/name or owner/name."


class InvalidBaseUrl(LucidError):
    """The address of a self-hosted provider is not one we may call."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_BASE_URL"
    default = "That provider address cannot be used: it must be https and public, or allowed by the operator."


class TokenRefused(LucidError):
    """The provider does not accept the token."""

    code = Code.FAILED_PRECONDITION
    reason = "TOKEN_REFUSED"
    default = "The provider refused the token. Connect the account again with a valid one."


class TokenUnreadable(LucidError):
    """The sealed token cannot be opened with our key."""

    code = Code.FAILED_PRECONDITION
    reason = "TOKEN_UNREADABLE"
    default = "The stored token cannot be read. Connect the account again."


class ConnectionNotFound(LucidError):
    """The user has no token for this provider."""

    code = Code.NOT_FOUND
    reason = "CONNECTION_NOT_FOUND"
    default = "No account is connected for this provider."


class RepositoryNotFound(LucidError):
    """The repository does not exist, or the caller cannot read it: both look the same."""

    code = Code.NOT_FOUND
    reason = "REPOSITORY_NOT_FOUND"
    default = "The repository does not exist or cannot be read with this account."


class ProviderUnavailable(LucidError):
    """The provider could not be reached, is limiting us, or answered nonsense."""

    code = Code.UNAVAILABLE
    reason = "PROVIDER_UNAVAILABLE"
    default = "The provider could not be reached. Try again later."


class OutcomeUnknown(LucidError):
    """A write was sent, and whether it took place is not known. Look before repeating it."""

    code = Code.UNAVAILABLE
    reason = "OUTCOME_UNKNOWN"
    default = "The provider did not answer; whether it did what was asked is not known."


class ProviderForbidden(LucidError):
    """The token is valid but may not do this."""

    code = Code.FAILED_PRECONDITION
    reason = "PROVIDER_FORBIDDEN"
    default = "The provider does not let this token do that."


class GateNotFound(LucidError):
    """No gate is open for the session."""

    code = Code.NOT_FOUND
    reason = "GATE_NOT_FOUND"
    default = "No gate is open for this session."


class Fenced(LucidError):
    """A newer owner of the session has spoken already."""

    code = Code.ABORTED
    reason = "FENCED"
    default = "Another worker owns this session now."


class BranchNotPushed(LucidError):
    """There is no such branch at the provider yet."""

    code = Code.FAILED_PRECONDITION
    reason = "BRANCH_NOT_PUSHED"
    default = "The branch has not been pushed yet."


class PullRequestExists(LucidError):
    """One is open for that branch already."""

    code = Code.ALREADY_EXISTS
    reason = "PULL_REQUEST_EXISTS"
    default = "A pull request is open for this branch already."


class PullRequestRefused(LucidError):
    """The provider will not make this pull request, e.g. because there is no difference."""

    code = Code.FAILED_PRECONDITION
    reason = "PULL_REQUEST_REFUSED"
    default = "The provider refused the pull request; there may be no commits between the branches."


class PullRequestNotFound(LucidError):
    """There is no such pull request."""

    code = Code.NOT_FOUND
    reason = "PULL_REQUEST_NOT_FOUND"
    default = "There is no such pull request."


class PullRequestClosed(LucidError):
    """It was closed without a merge."""

    code = Code.FAILED_PRECONDITION
    reason = "PULL_REQUEST_CLOSED"
    default = "The pull request is closed."


class MergeConflict(LucidError):
    """The branches do not merge by themselves."""

    code = Code.FAILED_PRECONDITION
    reason = "MERGE_CONFLICT"
    default = "The branches conflict; they cannot be merged automatically."
