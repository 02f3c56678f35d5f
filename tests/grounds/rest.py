"""Somebody who uses a running product through its REST rows, as a script would."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.grounds.person import sign_in
from tests.grounds.product import Product


@dataclass(frozen=True)
class Reply:
    """An answer, whatever its status."""

    status: int
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def detail(self) -> Any:
        """The contract's shape of a refusal."""
        return self.body["detail"]


class Rest:
    """One signed-in user; without an e-mail address nobody. `heard` keeps every text that came back."""

    def __init__(self, product: Product, email: str = "ada@example.org") -> None:
        self._base = f"{product.base_url}/api/v1"
        self._headers = {"Authorization": f"Bearer {sign_in(product, email)}"} if email else {}
        self.heard: list[str] = []

    def call(self, method: str, path: str, body: Any = None, raw: bytes | None = None) -> Reply:
        """`body` as JSON, or `raw` as it is."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = self._headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(self._base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                reply = Reply(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                reply = Reply(error.code, error.read().decode())
        self.heard.append(reply.text)
        return reply

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Reply:
        return self.call("POST", path, {} if body is None else body)
