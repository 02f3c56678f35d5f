"""One push: judged before a byte goes out, and remembered before its answer is passed on."""

from collections.abc import AsyncIterator, Sequence
from itertools import chain

from services.integrations.domain.models import Gate, RefUpdate
from services.integrations.gate.answers import answer_type, check
from services.integrations.gate.http import ClientGone, HttpConnection
from services.integrations.gate.receive_pack import BadPush, CommandReader, PushRequest, refusal_report, refusals
from services.integrations.gate.report_status import ReportReader
from services.integrations.gate.routes import Refusal
from services.integrations.ports import GitCall, GitReply, GitUpstream, Ports
from services.rpc.logs import get_logger

log = get_logger("integrations.gate")


async def serve_push(ports: Ports, upstream: GitUpstream, http: HttpConnection, gate: Gate, call: GitCall) -> None:
    """Passes a push on, or answers it as git wants a refusal. Raises Refusal, ClientGone, ProviderUnavailable."""
    body = http.body()
    reader = CommandReader()
    try:
        push = await _read_commands(reader, body)
        _expect_well_formed(push)
    except BadPush as error:
        await _drain(body)
        raise Refusal(error.status, str(error)) from error
    if not push.commands:
        await _answer_probe(http, body, reader, call)
    elif reasons := refusals(push, gate.branch_prefix):
        await _drain(body)
        log.warning("push refused", extra={"session_id": gate.session_id, "refs": len(reasons)})
        await http.answer(200, answer_type(call), refusal_report(push, reasons))
    else:
        async with upstream.exchange(call, _chained([push.raw, reader.rest], body)) as reply:
            check(gate, call, reply)
            await _pass_report(ports, http, gate, push, reply, answer_type(call))


def _expect_well_formed(push: PushRequest) -> None:
    if push.commands and not push.reports:
        raise BadPush("a push must ask for its report-status")
    if not push.commands and push.raw != b"0000":
        raise BadPush("not a push: no commands")


async def _read_commands(reader: CommandReader, body: AsyncIterator[bytes]) -> PushRequest:
    async for data in body:
        if reader.feed(data):
            break
    return reader.finish()


async def _answer_probe(http: HttpConnection, body: AsyncIterator[bytes], reader: CommandReader, call: GitCall) -> None:
    """git sends an empty push before a large one, to see whether it may. It never leaves this house."""
    if await _drain(body) or reader.rest:
        raise Refusal(400, "not a push: bytes after an empty command list")
    await http.answer(200, answer_type(call), b"")


async def _drain(body: AsyncIterator[bytes]) -> int:
    """Reads to the end: git takes an answer before its end of sending for a broken connection."""
    return sum([len(data) async for data in body])


async def _chained(head: Sequence[bytes], body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for data in chain(head):
        if data:
            yield data
    async for data in body:
        yield data


async def _pass_report(
    ports: Ports, http: HttpConnection, gate: Gate, push: PushRequest, reply: GitReply, content_type: str
) -> None:
    """Streams the answer; what it accepts is stored first. Goes on reading when the sandbox has left meanwhile."""
    report = ReportReader(push.side_band)
    listener = _Listener(http)
    await listener.start(content_type)
    stored = False
    async for data in reply.body():
        report.feed(data)
        if report.complete and not stored:
            stored = True
            await _store(ports, gate, push, report)
        await listener.send(data)
    await listener.end()


class _Listener:
    """The sandbox's side of an answer, which may be gone before the answer is whole."""

    def __init__(self, http: HttpConnection) -> None:
        self._http = http
        self._gone: ClientGone | None = None

    async def start(self, content_type: str) -> None:
        try:
            await self._http.start_answer(200, content_type)
        except ClientGone as gone:
            self._gone = gone

    async def send(self, data: bytes) -> None:
        try:
            if self._gone is None:
                await self._http.send(data)
        except ClientGone as gone:
            self._gone = gone

    async def end(self) -> None:
        if self._gone is not None:
            raise self._gone
        await self._http.end_answer()


async def _store(ports: Ports, gate: Gate, push: PushRequest, report: ReportReader) -> None:
    accepted = set(report.accepted)
    updates = [
        RefUpdate(command.ref.decode().removeprefix("refs/heads/"), command.old.decode(), command.new.decode())
        for command in push.commands
        if command.ref in accepted
    ]
    if updates:
        await ports.gates.record_pushes(gate, updates)
        log.info("push accepted", extra={"session_id": gate.session_id, "branches": [u.branch for u in updates]})
