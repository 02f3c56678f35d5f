"""Makes the sandbox as the repository and the session want it: image, variables, set-up script.

All of it is asked again at the beginning of each turn: what is so already costs two calls and changes nothing.
"""

import hashlib

from lucid.sessions.v1.event_pb2 import Error, FileEdited, SandboxChanged, StatusChanged

from services.rpc.ids import new_id
from services.sessions.agent.commands import record_command
from services.sessions.agent.journal import Journal
from services.sessions.agent.phase import enter
from services.sessions.agent.sandboxes import transition_key
from services.sessions.agent.workspace import changes_since, rooted
from services.sessions.domain.environment import (
    CONFIG_FILE,
    LONGEST_FILE,
    NOTHING,
    SETUP_SECONDS,
    Environment,
    joined,
    parsed,
)
from services.sessions.domain.state import SETUP, SURROUNDED, TRANSITION
from services.sessions.domain.work import Surroundings, ToolFailure

# Words of the sandbox service for a file that cannot be read; what else it refuses is no matter of the file.
_NO_FILE = frozenset({"FILE_NOT_FOUND", "NOT_A_FILE", "FILE_FORBIDDEN", "PATH_OUTSIDE_WORKSPACE"})
# A script ends at the first of its commands that fails.
STRICT = "set -e\n"
NOT_ALLOWED = "IMAGE_NOT_ALLOWED"


def is_plain(journal: Journal) -> bool:
    """Nothing is to be set up here: there is no repository, and nobody has asked for anything."""
    return journal.record.repository is None and journal.record.environment == NOTHING


async def set_up(journal: Journal) -> None:
    """Raises ToolFailure for an image that cannot be used, ConnectionError. A script that fails is no failure here: the
    agent goes on, and knows it."""
    theirs = await _repositorys(journal)
    wanted = joined(journal.record.environment, theirs)
    await _surround(journal, wanted)
    await _run(journal, wanted)


async def _repositorys(journal: Journal) -> Environment:
    """What the repository's file says; of what cannot be heeded in it the person is told, once for each content."""
    if journal.record.repository is None:
        return NOTHING
    try:
        file = await journal.ports.workspace.read(journal.record, rooted(journal, CONFIG_FILE), 0, LONGEST_FILE + 1)
    except ToolFailure as failure:
        if failure.reason in _NO_FILE:
            return NOTHING
        raise
    found, problems = parsed(file.data)
    if problems:
        what = "\n".join(f"- {problem}" for problem in problems)
        await _warn(journal, "REPOSITORY_CONFIG", f"Not all of {CONFIG_FILE} can be heeded:\n{what}", file.data)
    return found


async def _surround(journal: Journal, wanted: Environment) -> None:
    """Image and variables. An image that the operator does not allow is told, and the default one is taken."""
    if not (wanted.image or wanted.variables or journal.state.surrounded):
        return
    try:
        made = await _configured(journal, wanted.image, wanted)
    except ToolFailure as failure:
        if failure.reason != NOT_ALLOWED:
            raise
        words = f"{failure.message} The work goes on in the default image."
        await _warn(journal, NOT_ALLOWED, words, wanted.image.encode())
        made = await _configured(journal, "", wanted)
    if wanted.image and not made.image:
        level = journal.state.confinement or "this"
        words = f"The image {wanted.image} is asked for, but a {level} sandbox has none: it has the machine's tools."
        await _warn(journal, "NO_IMAGES", words, wanted.image.encode())


async def _configured(journal: Journal, image: str, wanted: Environment) -> Surroundings:
    began = journal.ports.clock.monotonic()
    made = await journal.ports.workspace.configure(journal.record, image, wanted.variables)
    if made.remade:
        took = int((journal.ports.clock.monotonic() - began) * 1000)
        told = SandboxChanged(
            sandbox_id=journal.record.sandbox_id,
            state=SandboxChanged.STATE_REBUILT,
            image=made.image,
            reason=journal.state.confinement,
            took_ms=took,
            message=_made_with(made.image, wanted),
            workspace_kept=bool(journal.state.found_workspace),
            workspace_id=journal.state.found_workspace,
        )
        labels, key = {SURROUNDED: "1"}, ""
        if made.transition_id:
            labels, key = {**labels, TRANSITION: made.transition_id}, transition_key(made.transition_id)
        await journal.append(journal.draft(key=key, system=True, labels=labels, sandbox_changed=told))
    return made


def _made_with(image: str, wanted: Environment) -> str:
    """Names only: a value is nobody's business."""
    parts = [f"image {image}"] if image else []
    parts += [f"variables {', '.join(sorted(wanted.variables))}"] if wanted.variables else []
    return f"Made again with {' and '.join(parts) or 'what is the default'}."


async def _run(journal: Journal, wanted: Environment) -> None:
    """Once in a sandbox, and again when the script is another or the sandbox was made anew."""
    if not wanted.setup:
        return
    seconds = wanted.setup_seconds or SETUP_SECONDS
    mark = hashlib.sha256(wanted.setup.encode(errors="replace")).hexdigest()[:16]
    if journal.state.set_up == mark:
        return
    await enter(journal, StatusChanged.PHASE_SETUP, "Running the set-up script")
    item = new_id("itm")
    await record_command(
        journal, item, "", STRICT + wanted.setup, seconds * 1000, cwd=journal.workdir or ".", labels={SETUP: mark}
    )
    # What the script has made is not the agent's work.
    if journal.state.tree and (drafts := await changes_since(journal, item, FileEdited.VIA_COMMAND)):
        await journal.append(*drafts)


async def _warn(journal: Journal, code: str, message: str, about: bytes) -> None:
    """A card that stops nothing, once for what it is about."""
    error = Error(kind=Error.KIND_CONFIG, code=code, message=message[:4000], user_action=Error.USER_ACTION_NONE)
    key = f"warned:{code}:{hashlib.sha256(about).hexdigest()[:32]}"
    await journal.append(journal.draft(key=key, system=True, error=error))
