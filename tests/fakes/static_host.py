"""A stand-in for a host on the internet: serves files over TLS on loopback, and notes who came."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class StaticHost:
    """`files`: by path. `opened`: connections, also those on which no request came; `seen`: method and path."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.files: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.opened = 0
        self._context = context
        self.port = 0

    @contextmanager
    def serving(self) -> Iterator["StaticHost"]:
        """While the block runs."""
        server = _Server(("127.0.0.1", 0), _Handler)
        server.host, server.context = self, self._context
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    host: StaticHost
    context: ssl.SSLContext
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        connection, address = super().get_request()
        self.host.opened += 1
        connection.settimeout(20)
        return connection, address

    def finish_request(self, request, client_address):
        try:  # in the thread of the connection: one that says nothing holds up nobody
            with self.context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        except OSError:
            return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self):
        path = unquote(self.path.partition("?")[0])
        self.server.host.seen.append(f"{self.command} {path}")
        content = self.server.host.files.get(path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", _kind(path))
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content or b"")

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *args):
        pass


def _kind(path: str) -> str:
    if path.startswith("/simple/"):
        return "text/html"
    return "application/octet-stream" if "." in path.rpartition("/")[2] else "application/json"
