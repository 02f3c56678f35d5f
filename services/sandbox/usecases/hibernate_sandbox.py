"""HibernateSandbox: its work is saved, its container goes, its files stay."""

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.domain.errors import SandboxInUse
from services.sandbox.domain.lifecycle import UP, Told, What
from services.sandbox.domain.models import Sandbox
from services.sandbox.ports import Ports
from services.sandbox.usecases.create_checkpoint import save
from services.sandbox.usecases.find_sandbox import find_usable
from services.sandbox.usecases.pause_sandbox import PATIENCE_SECONDS

log = get_logger(__name__)


async def hibernate_sandbox(ports: Ports, user_id: str | None, sandbox_id: str) -> str:
    """The checkpoint, empty for none. Raises SandboxNotFound, SandboxUnavailable, SandboxInUse."""
    await find_usable(ports, user_id, sandbox_id)
    sandbox = await ports.store.get(sandbox_id)
    if sandbox is None or sandbox.life not in UP:
        return ""
    return await hibernate(ports, sandbox, PATIENCE_SECONDS)


async def hibernate(ports: Ports, sandbox: Sandbox, patience: float = 0.0) -> str:
    """The checkpoint, empty for none: the files are kept, so a failure to save them does not hinder."""
    stamp = ports.fleet.stamp(sandbox.body)
    await ports.fleet.must_be_idle(sandbox, patience)
    checkpoint_id = ""
    try:
        saved = await save(ports, sandbox, await ports.fleet.quiet_guest(sandbox), "hibernated")
        checkpoint_id = saved.checkpoint_id if saved else ""
    except SandboxInUse:
        raise
    except LucidError as error:
        log.warning("work could not be saved", extra={"sandbox_id": sandbox.sandbox_id, "reason": error.reason})
    told = Told(What.HIBERNATED, checkpoint_id=checkpoint_id)
    await ports.fleet.hibernate(sandbox, stamp, told, patience)
    return checkpoint_id
