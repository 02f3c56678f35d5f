"""Closes the gate of a session."""

from services.integrations.ports import Ports


async def close_gate(ports: Ports, session_id: str) -> None:
    """Safe to repeat."""
    await ports.gates.close(session_id)
