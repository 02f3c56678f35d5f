"""What the model is told of its sandbox: that things it may count on are there no more."""

from lucid.sessions.v1.event_pb2 import SandboxChanged

_LOST = "[Lucid] Your sandbox went away: {}. What ran in it is over."
_KEPT = (
    "[Lucid] Your sandbox was made again on its kept workspace. Files are as they were; what ran in the background, "
    "and /tmp, is gone."
)
_GONE = (
    "[Lucid] Your sandbox and its files are gone. A new one was made, and the repository, if there is one, is cloned "
    "again. Gone are: processes, shell variables, files that git ignores, what you had installed, and work that is not "
    "named as brought back. Look at the state of things before you go on."
)
_BROUGHT_BACK = "[Lucid] What was saved of your work was brought back: {commits}, {files}.{failed}"


def sandbox_note(changed: SandboxChanged) -> str:
    """Empty where there is nothing that the model has to know."""
    match changed.state:
        case SandboxChanged.STATE_LOST:
            return _LOST.format(changed.reason or "the cause is not known")
        case SandboxChanged.STATE_REBUILT if changed.workspace_kept or not changed.workspace_id:
            return _KEPT
        case SandboxChanged.STATE_REBUILT:
            return _GONE
        case SandboxChanged.STATE_RESTORED:
            failed = f" Not brought back: {changed.reason}." if changed.reason else ""
            commits = f"{changed.commits} commits that are not pushed"
            files = f"{changed.files} changed files that are not committed"
            return _BROUGHT_BACK.format(commits=commits, files=files, failed=failed)
    return ""
