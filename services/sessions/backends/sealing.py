"""Keeps sessions' own model keys unreadable at rest: JWE (RFC 7516), `dir` with A256CBC-HS512 (RFC 7518 §5.2)."""

import hashlib
import hmac
import json

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

_REGISTRY = jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512"])


class JweSealer:
    """The Sealer port. The owner is part of what is sealed, so a row moved to another user does not open."""

    def __init__(self, encryption_key: str) -> None:
        # A key of its own purpose: what integrations seals with the same ENCRYPTION_KEY does not open here.
        material = hmac.digest(encryption_key.encode(), b"lucid sessions model keys", hashlib.sha512)
        self._key = OctKey.import_key(material)

    def seal(self, owner_id: str, secret: str) -> str:
        """The sealed form."""
        payload = json.dumps({"owner": owner_id, "secret": secret}).encode()
        header = {"alg": "dir", "enc": "A256CBC-HS512"}
        return jwe.encrypt_compact(header, payload, self._key, registry=_REGISTRY)

    def open(self, owner_id: str, sealed: str) -> str:
        """The secret. Raises ValueError if it was altered or belongs to another owner."""
        try:
            opened = jwe.decrypt_compact(sealed, self._key, registry=_REGISTRY)
            content = json.loads(opened.plaintext or b"{}")
        except (JoseError, ValueError) as error:
            raise ValueError("The sealed key does not open.") from error
        if content.get("owner") != owner_id:
            raise ValueError("The sealed key belongs to another owner.")
        return str(content["secret"])
