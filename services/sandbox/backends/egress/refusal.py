"""A call that does not go out, and what its caller is told."""

from services.sandbox.domain.network import BlockReason, NetworkPolicy

WORDS = {
    BlockReason.NETWORK_OFF: "this session has no network",
    BlockReason.NOT_ALLOWED: "{host}:{port} is not allowed here",
    BlockReason.NOT_CONNECT: "only https goes out, by CONNECT",
    BlockReason.BAD_REQUEST: "the request is not one that this proxy understands",
    BlockReason.ADDRESS: "addresses are not allowed here, only names",
    BlockReason.PRIVATE_ADDRESS: "{host} does not lead to a public address",
    BlockReason.NOT_TLS: "only TLS goes out",
    BlockReason.NO_NAME: "TLS must name the server (SNI)",
    BlockReason.OTHER_NAME: "TLS names another server than {host}",
    BlockReason.HIDDEN_NAME: "TLS must name the server in the open (no ECH)",
    BlockReason.TOO_SLOW: "the request took too long",
    BlockReason.TOO_MANY: "too many connections at once",
}
STATUS = {
    400: "Bad Request",
    403: "Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Refused(Exception):
    """A call that is not allowed. `status`: of the answer, where one can still be given."""

    def __init__(self, reason: BlockReason, host: str = "", port: int = 0, status: int = 403) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.host = host
        self.port = port
        self.status = status

    def words(self, policy: NetworkPolicy) -> str:
        """One line for the caller: why, and what is allowed."""
        allowed = ", ".join(policy.hosts) or "nothing"
        return f"blocked: {WORDS[self.reason].format(host=self.host, port=self.port)}; allowed is: {allowed}"


class Unreachable(Exception):
    """An allowed host that cannot be reached: nobody's fault here."""


def answer(status: int, words: str) -> bytes:
    """The whole answer to a call that does not go out."""
    body = f"{words}\n".encode("ascii", "replace")
    head = [
        f"HTTP/1.1 {status} {STATUS[status]}",
        "Content-Type: text/plain; charset=us-ascii",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(["Allow: CONNECT"] if status == 405 else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
