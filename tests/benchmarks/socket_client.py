"""The page's WebSocket, as a client of it sees it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp
from lucid.gateway.v1.accounts_pb2 import StreamRequest, StreamResponse
from lucid.sessions.v1.event_pb2 import Frame
from lucid.sessions.v1.sessions_pb2 import WatchEventsRequest, WatchEventsResponse


class StreamBroke(Exception):
    """The product has ended a watch or the socket."""


class PageSocket:
    """One socket with a watch per session; stream ids are places in the list of sessions, from 1."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def watch(self, stream_id: int, request: WatchEventsRequest) -> None:
        """Begins a watch."""
        watch = StreamRequest.Watch(stream_id=stream_id, watch=request)
        await self._socket.send_bytes(StreamRequest(watch=watch).SerializeToString())

    async def frames(self) -> AsyncIterator[tuple[int, Iterable[Frame]]]:
        """What comes, message by message, with the id of its stream. Raises StreamBroke."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            answer = StreamResponse.FromString(message.data)
            if answer.HasField("end"):
                raise StreamBroke(answer.end.reason)
            yield answer.frames.stream_id, WatchEventsResponse.FromString(answer.frames.response).frames
        raise StreamBroke(f"the socket was closed ({self._socket.close_code})")


@asynccontextmanager
async def page_socket(http: aiohttp.ClientSession, base_url: str, token: str) -> AsyncIterator[PageSocket]:
    """A signed-in socket, open while the block runs."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.ws_connect(f"{base_url}/api/v1/stream", headers=headers, max_msg_size=0) as socket:
        yield PageSocket(socket)
