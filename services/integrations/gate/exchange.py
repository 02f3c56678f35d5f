"""One request through the gate, from its first byte to the last of its answer."""

from dataclasses import replace

import h11

from services.integrations.domain.models import Gate
from services.integrations.gate.advertisement import AdvertisementFilter, BadAdvertisement
from services.integrations.gate.answers import TEXT, answer_type, check, wants_push
from services.integrations.gate.fetch import serve_fetch
from services.integrations.gate.http import HttpConnection
from services.integrations.gate.push import serve_push
from services.integrations.gate.routes import INFO_REFS, RECEIVE_PACK, Refusal, route
from services.integrations.ports import GitCall, GitUpstream, Ports
from services.integrations.usecases.open_access import open_gate_access
from services.rpc.errors import LucidError
from services.rpc.logs import get_logger

MAX_DRAINED_BYTES = 8 * 1024 * 1024
log = get_logger("integrations.gate")


async def serve_request(ports: Ports, session_id: str, http: HttpConnection, request: h11.Request) -> bool:
    """Answers it. False if the connection must end here. Raises ClientGone."""
    gate = await ports.gates.find(session_id)
    try:
        call = route(gate, request.method, request.target, request.headers)
        assert gate is not None
        await _pass(ports, http, gate, call)
    except (Refusal, LucidError) as error:
        refusal = error if isinstance(error, Refusal) else Refusal(502, error.message)
        log.warning("gate refused", extra={"session_id": session_id, "status": refusal.status, "why": refusal.text})
        if http.started:
            return False
        await _drain_some(http)
        await http.answer(refusal.status, TEXT, refusal.text.encode() + b"\n")
    return http.next_cycle()


async def _pass(ports: Ports, http: HttpConnection, gate: Gate, call: GitCall) -> None:
    call = replace(call, token=(await open_gate_access(ports, gate)).token)
    upstream = ports.upstreams[gate.repository.provider]
    if call.endpoint == RECEIVE_PACK:
        await serve_push(ports, upstream, http, gate, call)
    elif call.endpoint == INFO_REFS:
        await _advertise(upstream, http, gate, call)
    else:
        await serve_fetch(ports, upstream, http, gate, call)


async def _advertise(upstream: GitUpstream, http: HttpConnection, gate: Gate, call: GitCall) -> None:
    strip = AdvertisementFilter() if wants_push(call) else None
    async for _ in http.body():
        raise Refusal(400, "A GET has no body here.")
    async with upstream.exchange(call, None) as reply:
        check(gate, call, reply)
        await http.start_answer(200, answer_type(call))
        try:
            async for data in reply.body():
                await http.send(strip.feed(data) if strip else data)
            if strip:
                strip.finish()
        except BadAdvertisement as error:
            raise Refusal(502, "The git provider's answer was not git's.") from error
        await http.end_answer()


async def _drain_some(http: HttpConnection) -> None:
    """Takes in what is left of a refused request, within reason, so that the answer is seen."""
    if http.body_read:
        return
    taken = 0
    async for data in http.body():
        taken += len(data)
        if taken > MAX_DRAINED_BYTES:
            return
