"""ConfigureSandbox: another image, other variables."""

from collections.abc import Mapping
from dataclasses import replace

from services.sandbox.domain.models import Sandbox
from services.sandbox.ports import Ports
from services.sandbox.usecases.create_sandbox import arrival_of, still_wanted
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable


async def configure_sandbox(
    ports: Ports, user_id: str | None, sandbox_id: str, image: str, env: Mapping[str, str], epoch: int
) -> tuple[Sandbox, bool, str]:
    """The sandbox as it is now, whether it was made again, and the transition that tells of how it came up.

    Raises SandboxNotFound, SandboxUnavailable, Fenced, ImageNotAllowed, NoSuchImage, ImageUnsuitable; nothing is ended
    then.
    """
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, epoch)
    wanted = replace(sandbox, image=await ports.fleet.image(sandbox.confinement, image), env=dict(env), epoch=epoch)
    if (wanted.image, wanted.env) == (sandbox.image, dict(sandbox.env)):
        return sandbox, False, await arrival_of(ports, sandbox_id)
    # In this order, so that a repeat after a crash at any point does what is left to do.
    await ports.store.mark_removed(sandbox_id)
    await ports.fleet.take_down(sandbox, keep_workspace=True)
    wanted = await ports.store.reconfigure(wanted)
    await ports.fleet.bring_up(wanted)
    await still_wanted(ports, wanted)
    return wanted, True, await arrival_of(ports, sandbox_id)
