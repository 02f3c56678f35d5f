"""Every refusal of this service."""

from services.rpc.errors import Code, LucidError


class SandboxNotFound(LucidError):
    """Absent, or somebody else's: the two look the same."""

    code = Code.NOT_FOUND
    reason = "SANDBOX_NOT_FOUND"
    default = "There is no such sandbox."


class SandboxUnavailable(LucidError):
    """It cannot be reached or made now."""

    code = Code.UNAVAILABLE
    reason = "SANDBOX_UNAVAILABLE"
    default = "The sandbox cannot be reached."


class GuestLost(SandboxUnavailable):
    """The helper went away in the middle of a call."""

    default = "The sandbox went away."


class SandboxInUse(LucidError):
    """It cannot be put to sleep now."""

    code = Code.FAILED_PRECONDITION
    reason = "SANDBOX_IN_USE"
    default = "The sandbox is in use."


class CheckpointNotFound(LucidError):
    """Absent, of another sandbox, or let go."""

    code = Code.NOT_FOUND
    reason = "CHECKPOINT_NOT_FOUND"
    default = "There is no such checkpoint."


class CheckpointFailed(LucidError):
    """The work could not be packed, or a checkpoint could not be applied."""

    code = Code.FAILED_PRECONDITION
    reason = "CHECKPOINT_FAILED"
    default = "The work could not be saved."


class Stopping(LucidError):
    """This service ends; the sandbox goes on. To callers it looks like a failed transport: they ask the next one."""

    code = Code.UNAVAILABLE
    reason = "UNAVAILABLE"
    default = "The service is stopping."


class NoConfinement(LucidError):
    """Neither Docker nor bubblewrap can be used, and working without is not allowed."""

    code = Code.FAILED_PRECONDITION
    reason = "NO_CONFINEMENT"
    default = (
        "There is nothing to confine the agent with. Start Docker and make the image (deploy/sandbox/build.sh), "
        "or install bubblewrap (apt-get install bubblewrap), or set SANDBOX_BACKEND=process and "
        "SANDBOX_ALLOW_UNCONFINED=1 to let the agent work on this machine without any confinement."
    )


class NoSuchImage(LucidError):
    """Not on the engine, and not to be fetched."""

    code = Code.NOT_FOUND
    reason = "IMAGE_NOT_FOUND"
    default = "There is no such image."


class ImageUnsuitable(LucidError):
    """Made for another CPU, or without a /bin/sh that runs."""

    code = Code.FAILED_PRECONDITION
    reason = "IMAGE_UNSUITABLE"
    default = "No sandbox can be made of this image."


class ImageNotAllowed(LucidError):
    """Not on the operator's list (SANDBOX_IMAGES)."""

    code = Code.INVALID_ARGUMENT
    reason = "IMAGE_NOT_ALLOWED"
    default = "The operator does not allow this image."


class EnclosureBroken(LucidError):
    """A sandbox was started and is not as closed off as it should be: it is taken down again."""

    code = Code.FAILED_PRECONDITION
    reason = "ENCLOSURE_BROKEN"
    default = "The sandbox is not as closed off as it should be, so it is not used."


class NetworkNotAllowed(LucidError):
    """More network than the operator allows."""

    code = Code.FAILED_PRECONDITION
    reason = "NETWORK_NOT_ALLOWED"
    default = "The operator of this installation does not allow a session that much network."


class Fenced(LucidError):
    """The caller's lease epoch is lower than one that was seen: somebody else owns the session now."""

    code = Code.ABORTED
    reason = "FENCED"
    default = "Another owner has taken over this session."


class CommandNotFound(LucidError):
    """Attach only, and the id was never started."""

    code = Code.NOT_FOUND
    reason = "COMMAND_NOT_FOUND"
    default = "No command was started under this id."


class SandboxBusy(LucidError):
    """At its limit of commands or processes."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "SANDBOX_BUSY"
    default = "The sandbox is at its limit of commands or processes."


class InputClosed(LucidError):
    """Nobody takes this input: started without, closed, or ended."""

    code = Code.FAILED_PRECONDITION
    reason = "INPUT_CLOSED"
    default = "It takes no input."


class InputGap(LucidError):
    """Input that begins beyond what was accepted so far."""

    code = Code.FAILED_PRECONDITION
    reason = "INPUT_GAP"
    default = "The input before this has not come."


class TerminalNotFound(LucidError):
    """No terminal of this id was opened since the sandbox is up."""

    code = Code.NOT_FOUND
    reason = "TERMINAL_NOT_FOUND"
    default = "There is no such terminal."


class PathOutsideWorkspace(LucidError):
    """The path leads out of the workspace, by itself or through a link."""

    code = Code.INVALID_ARGUMENT
    reason = "PATH_OUTSIDE_WORKSPACE"
    default = "The path is not inside the workspace."


class FileNotFound(LucidError):
    """No file or folder of this name."""

    code = Code.NOT_FOUND
    reason = "FILE_NOT_FOUND"
    default = "There is no such file."


class NotAFile(LucidError):
    """A folder, device, socket or pipe."""

    code = Code.FAILED_PRECONDITION
    reason = "NOT_A_FILE"
    default = "That is not a regular file."


class FileForbidden(LucidError):
    """The sandbox's user may not open it."""

    code = Code.FAILED_PRECONDITION
    reason = "FILE_FORBIDDEN"
    default = "The file may not be opened."


class FileTooLarge(LucidError):
    """Larger than an edit can handle."""

    code = Code.FAILED_PRECONDITION
    reason = "FILE_TOO_LARGE"
    default = "The file is too large."


class FileExists(LucidError):
    """Create without overwrite."""

    code = Code.FAILED_PRECONDITION
    reason = "FILE_EXISTS"
    default = "The file is there already."


class FileFailed(LucidError):
    """The file system refused for another cause, which the text tells."""

    code = Code.FAILED_PRECONDITION
    reason = "FILE_FAILED"
    default = "The file system refused."


class FileChanged(LucidError):
    """It is not what the caller has seen, or it changed while it was read."""

    code = Code.FAILED_PRECONDITION
    reason = "FILE_CHANGED"
    default = "The file is not what it was."


class FolderNotEmpty(LucidError):
    """Remove without recursive, or something is in the way of a folder."""

    code = Code.FAILED_PRECONDITION
    reason = "FOLDER_NOT_EMPTY"
    default = "The folder is not empty."


class UploadIncomplete(LucidError):
    """Not all of its bytes have come, or a part begins beyond those that have."""

    code = Code.FAILED_PRECONDITION
    reason = "UPLOAD_INCOMPLETE"
    default = "The upload is not complete."


class BadPattern(LucidError):
    """The query is no pattern."""

    code = Code.INVALID_ARGUMENT
    reason = "BAD_PATTERN"
    default = "That is no pattern."


class WatchLimit(LucidError):
    """The kernel lets this user watch no more."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "WATCH_LIMIT"
    default = "No more folders can be watched."


class ArchiveUnsafe(LucidError):
    """A path or a link in it leads out, or it holds a device or a pipe."""

    code = Code.INVALID_ARGUMENT
    reason = "ARCHIVE_UNSAFE"
    default = "The archive holds what may not be unpacked."


class ArchiveBroken(LucidError):
    """Not a tar archive, or not whole."""

    code = Code.INVALID_ARGUMENT
    reason = "ARCHIVE_BROKEN"
    default = "The archive cannot be read."


class ArchiveTooLarge(LucidError):
    """More files or bytes than are packed or unpacked."""

    code = Code.FAILED_PRECONDITION
    reason = "ARCHIVE_TOO_LARGE"
    default = "The archive is too large."


class DiskFull(LucidError):
    """No space left in the sandbox."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "DISK_FULL"
    default = "There is no space left in the sandbox."


class EditNoMatch(LucidError):
    """The text to replace, or the line to insert after, is not there."""

    code = Code.FAILED_PRECONDITION
    reason = "EDIT_NO_MATCH"
    default = "The text is not in the file."


class EditAmbiguous(LucidError):
    """The text to replace occurs more than once."""

    code = Code.FAILED_PRECONDITION
    reason = "EDIT_AMBIGUOUS"
    default = "The text occurs more than once in the file."


class TreeNotFound(LucidError):
    """The tree to compare with is not known in this sandbox."""

    code = Code.NOT_FOUND
    reason = "TREE_NOT_FOUND"
    default = "The tree to compare with is not known."


class SnapshotFailed(LucidError):
    """Git in the sandbox could not do it."""

    code = Code.FAILED_PRECONDITION
    reason = "SNAPSHOT_FAILED"
    default = "git could not record the tree."


class HelperFailed(LucidError):
    """A fault of ours inside the sandbox; its log tells more."""

    code = Code.INTERNAL
    reason = "HELPER_FAILED"
    default = "The sandbox's helper failed."


BY_REASON: dict[str, type[LucidError]] = {
    error.reason: error
    for error in (
        Fenced,
        CommandNotFound,
        SandboxBusy,
        InputClosed,
        InputGap,
        TerminalNotFound,
        PathOutsideWorkspace,
        FileNotFound,
        NotAFile,
        FileForbidden,
        FileTooLarge,
        FileExists,
        FileFailed,
        FileChanged,
        FolderNotEmpty,
        UploadIncomplete,
        BadPattern,
        WatchLimit,
        ArchiveUnsafe,
        ArchiveBroken,
        ArchiveTooLarge,
        DiskFull,
        EditNoMatch,
        EditAmbiguous,
        TreeNotFound,
        SnapshotFailed,
        CheckpointFailed,
        HelperFailed,
    )
}
# Whoever meets these has tried, or has been led, to get out of the workspace: the log tells.
ATTACKS = frozenset({PathOutsideWorkspace, ArchiveUnsafe})
