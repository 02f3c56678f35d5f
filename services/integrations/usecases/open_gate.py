"""Opens the gate for one session."""

from services.integrations.domain.models import Gate
from services.integrations.ports import Ports
from services.integrations.usecases.resolve_repository import resolve_with_place

GATE_IN_SANDBOX = "http://127.0.0.1:3129"  # the sandbox's forwarder to its socket


async def open_gate(
    ports: Ports, session_id: str, owner_id: str, provider: str, full_name: str, url: str, epoch: int
) -> Gate:
    """One repository, branches under the session's prefix. Raises as resolve_repository, and Fenced."""
    repository, place = await resolve_with_place(ports, owner_id, provider, full_name, url)
    return await ports.gates.open(Gate(session_id, owner_id, repository, place.host, place.base_url, epoch))


def git_config(gate: Gate) -> dict[str, str]:
    """What makes git in the sandbox go to the gate. Names of variables are case-insensitive to git, keys here are not:
    that is how one base takes several addresses."""
    base = f"{GATE_IN_SANDBOX}/{gate.host}/"
    bare_host = gate.host.partition(":")[0]
    config = {f"url.{base}.insteadOf": f"{gate.base_url}/"}
    if gate.host != "local":
        config |= {f"url.{base}.insteadof": f"git@{bare_host}:", f"url.{base}.InsteadOf": f"ssh://git@{bare_host}/"}
    return config
