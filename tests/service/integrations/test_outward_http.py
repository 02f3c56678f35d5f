"""Where outward HTTP may go, and what it does there. Real sockets, real name look-ups of this machine."""

import asyncio
import contextlib
import logging
import socket

import httpx2
import pytest

from services.integrations.backends.http_client import MAX_BODY_BYTES, GuardedClient
from services.integrations.backends.http_guard import ForbiddenAddress, HostRules, is_public
from services.integrations.domain.errors import InvalidBaseUrl, OutcomeUnknown, ProviderUnavailable
from tests.grounds.ports import spare_port


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
        "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "2002:7f00:1::", "2001:0:7f00:1::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["140.82.112.3", "8.8.8.8", "2606:50c0:8000::153", "::ffff:8.8.8.8"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/", "http://127.0.0.1/", "ftp://github.com/", "file:///etc/passwd", "https://a@github.com/",
        "https://a:b@github.com/", "gopher://github.com/", "https:///x", "unix:///run/x", "http://allowed.example:81/",
    ],
)  # fmt: skip
def test_addresses_that_are_refused_before_anything_is_looked_up(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        HostRules(["allowed.example:80"]).check_url(httpx2.URL(url))


def test_addresses_that_are_not() -> None:
    rules = HostRules(["allowed.example:81", "Other.example", " "])
    for url in (
        "https://github.com/",
        "http://allowed.example:81/",
        "http://other.example:9/",
        "https://other.example/",
    ):
        rules.check_url(httpx2.URL(url))


class Listener:
    """Answers every connection with the same bytes, and counts them."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.connections, self.received = answer, 0, b""
        self.port = spare_port()

    async def __aenter__(self) -> "Listener":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.received += await reader.read(4096)
        writer.write(self.answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "[::1]", "0"]
)
async def test_this_machine_is_never_called(host: str) -> None:
    async with Listener(OK) as listener:
        client = GuardedClient(HostRules([]))
        with pytest.raises(InvalidBaseUrl):
            await client.ask("GET", f"https://{host}:{listener.port}/", {})
        await client.close()
    assert listener.connections == 0


async def test_a_name_with_one_private_address_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may change its mind between two look-ups: there is one look-up, and every answer of it counts."""
    answers = [["8.8.8.8", "127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    async def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    client = GuardedClient(HostRules([]))
    for _ in range(2):
        with pytest.raises(InvalidBaseUrl):
            await client.ask("GET", "https://rebinding.example/", {})
    await client.close()
    assert asked == ["rebinding.example"] * 2


async def test_an_allowed_host_is_called() -> None:
    async with Listener(OK) as listener:
        client = GuardedClient(HostRules([f"127.0.0.1:{listener.port}"]))
        answer = await client.ask("GET", f"http://127.0.0.1:{listener.port}/x", {"Authorization": "Bearer t"})
        await client.close()
    assert (answer.status, answer.json()) == (200, {})
    assert b"Accept-Encoding: identity" in listener.received or b"accept-encoding: identity" in listener.received


async def test_redirects_are_not_followed() -> None:
    async with Listener(OK) as other:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with Listener(moved) as listener:
            client = GuardedClient(HostRules(["127.0.0.1"]))
            answer = await client.ask("GET", f"http://127.0.0.1:{listener.port}/", {"Authorization": "Bearer t"})
            await client.close()
    assert answer.status == 302
    assert other.connections == 0


async def test_a_body_without_an_end_is_cut() -> None:
    async with Listener(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * (MAX_BODY_BYTES + 1)) as listener:
        client = GuardedClient(HostRules(["127.0.0.1"]))
        with pytest.raises(ProviderUnavailable):
            await client.ask("GET", f"http://127.0.0.1:{listener.port}/", {})
        await client.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"nonsense\r\n\r\n"])
async def test_a_write_whose_answer_is_lost_is_doubtful(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Listener(answer) as listener:
        client = GuardedClient(HostRules(["127.0.0.1"]))
        url = f"http://127.0.0.1:{listener.port}/"
        with pytest.raises(OutcomeUnknown):
            await client.ask("POST", url, {"Authorization": "Bearer CANARY"}, {"a": 1})
        with pytest.raises(ProviderUnavailable):
            await client.ask("GET", url, {"Authorization": "Bearer CANARY"})
        await client.close()
    assert "CANARY" not in caplog.text


async def test_a_write_that_was_never_sent_is_not_doubtful() -> None:
    client = GuardedClient(HostRules(["127.0.0.1"]))
    with pytest.raises(ProviderUnavailable):
        await client.ask("POST", f"http://127.0.0.1:{spare_port()}/", {}, {})
    await client.close()
