"""What every request meets: limits, headers, the page, unknown paths."""

import asyncio
import gzip
from pathlib import Path

import pytest

from tests.service.gateway.conftest import Ground, running

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Lucid</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "app-1234.js").write_text("let a = 1")
    (folder / "assets" / "app-1234.js.gz").write_bytes(gzip.compress(b"let a = 1"))
    (tmp_path / "secret.txt").write_text("SECRET")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


async def test_status_and_health(ground: Ground) -> None:
    ground.sandbox.owners = {"sbx_1": "u1", "sbx_2": "u2"}
    async with ground.client(None) as client:
        status = (await client.get("/")).json()
        assert (await client.get("/health")).json() == {"status": "ok"}
    assert set(status) == {
        "service",
        "version",
        "status",
        "openhands_available",
        "docker_available",
        "active_sandboxes",
        "active_sessions",
        "llm_model",
    }
    assert status["version"].count(".") == 2
    assert status["version"] != "0.0.0"
    assert (status["service"], status["status"], status["llm_model"]) == ("Lucid AI Engine", "healthy", "demo")
    assert (status["docker_available"], status["active_sandboxes"], status["active_sessions"]) == (True, 2, 7)


async def test_a_body_that_is_too_large(ground: Ground) -> None:
    async with ground.client() as client:
        answer = await client.post("/api/v1/sessions", json={"task": "x" * 10_000_000})
        assert (answer.status_code, answer.json()) == (413, {"detail": "Request body is too large."})

        async def parts() -> object:
            for _ in range(100):
                yield b" " * 100_000

        chunked = await client.post("/api/v1/sessions", content=parts())  # type: ignore[arg-type]
        assert chunked.status_code == 413
        rpc = "/lucid.sessions.v1.SessionsService/CreateSession"
        assert (await client.post(rpc, content=b"x" * 6_000_000)).status_code == 413
    assert not ground.sessions.calls


@pytest.mark.parametrize("path", ["/api/", "/api", "/api/v1/none", "/api/v2/sessions", "/api/notion/databases"])
async def test_unknown_api_paths_are_json_also_for_browsers(tmp_path: Path, dist: Path, path: str) -> None:
    async with running(tmp_path, web_dist=dist) as ground, ground.client() as client:
        for method in ("GET", "PUT", "POST", "DELETE"):
            answer = await client.request(method, path, headers=HTML)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_a_wrong_method_is_405(ground: Ground) -> None:
    async with ground.client() as client:
        answer = await client.put("/api/v1/sessions")
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
        assert (await client.post("/anything")).status_code == 405


async def test_the_page(tmp_path: Path, dist: Path) -> None:
    async with running(tmp_path, web_dist=dist) as ground, ground.client(None) as client:
        for path in ("/", "/sessions/ses_1", "/pulls/local/o/n/1"):
            answer = await client.get(path, headers=HTML)
            assert answer.status_code == 200
            assert "<title>Lucid</title>" in answer.text
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "no-cache"
        assert (await client.get("/")).json()["status"] == "healthy"
        script = await client.get("/assets/app-1234.js", headers={"Accept-Encoding": "gzip"})
        assert script.text == "let a = 1"
        assert script.headers["content-encoding"] == "gzip"
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-type"].startswith("text/javascript")
        plain = await client.get("/assets/app-1234.js", headers={"Accept-Encoding": "identity"})
        assert (plain.text, "content-encoding" in plain.headers) == ("let a = 1", False)
        assert (await client.head("/", headers=HTML)).status_code == 200
        head = await client.head("/favicon.svg")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.get("/assets/none.js")).status_code == 404
        assert (await client.get("/none.txt")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/link.txt",
        "/a%00.txt",
        "//secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        pytest.param("/" + "a" * 5000 + ".txt", id="long"),
    ],
)
async def test_nothing_outside_the_page_is_served(tmp_path: Path, dist: Path, path: str) -> None:
    async with running(tmp_path, web_dist=dist) as ground:
        host, port = ground.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        data = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert b"SECRET" not in data
    assert data.split(b" ")[1] in (b"400", b"404")


async def test_without_the_page_a_plain_word(ground: Ground) -> None:
    async with ground.client(None) as client:
        answer = await client.get("/", headers=HTML)
        asset = await client.get("/assets/app.js")
    assert answer.status_code == asset.status_code == 503
    assert "make up" in answer.text


async def test_headers_on_every_kind_of_answer(tmp_path: Path, dist: Path) -> None:
    async with running(tmp_path, web_dist=dist) as ground, ground.client(None) as client:
        for path in ("/", "/sessions/1", "/health", "/api/v1/sessions", "/api/none", "/assets/app-1234.js", "/no.js"):
            answer = await client.get(path, headers=HTML)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe-eval" not in policy
            assert "script-src 'self';" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-request-id"]
            assert "server" not in answer.headers
        assert (await client.get("/api/v1/sessions")).headers["cache-control"] == "no-store"


async def test_the_request_id_goes_through(ground: Ground) -> None:
    async with ground.client() as client:
        answer = await client.get("/api/v1/sessions", headers={"X-Request-ID": "my-request-1"})
        strange = await client.get("/api/v1/sessions", headers={"X-Request-ID": "a b\t<"})
    assert answer.headers["x-request-id"] == "my-request-1"
    assert ground.sessions.calls[0].metadata["x-request-id"] == "my-request-1"
    assert strange.headers["x-request-id"] != "a b\t<"


async def test_allowed_origins_may_read(tmp_path: Path) -> None:
    async with running(tmp_path, allowed_origins=("http://localhost:3000",)) as ground, ground.client() as client:
        ours = await client.get("/api/v1/sessions", headers={"Origin": "http://localhost:3000"})
        other = await client.get("/api/v1/sessions", headers={"Origin": "http://evil.example"})
    assert ours.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "access-control-allow-origin" not in other.headers


async def test_the_openapi_page_knows_the_rows(ground: Ground) -> None:
    async with ground.client(None) as client:
        paths = (await client.get("/api/openapi.json")).json()["paths"]
        page = await client.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert all(f"<code>{path}</code>" in page.text for path in paths)
    assert "//" not in page.text.replace("</", "")
    assert "/api/v1/sessions/{session_id}/watch" in paths
