"""Tokens at rest: JWE (RFC 7516), `dir` with A256CBC-HS512, bound to their owner and provider."""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from services.integrations.domain.errors import TokenUnreadable
from services.integrations.domain.models import SealedToken

ALGORITHM, ENCRYPTION = "dir", "A256CBC-HS512"
KEY_BYTES = 64
PURPOSE = b"lucid integrations tokens v1"
KEY_ID_CHARACTERS = 16


class JweSealer:
    """TokenSealer. `encryption_key` is ENCRYPTION_KEY; what lies in the database is useless without it."""

    def __init__(self, encryption_key: str) -> None:
        secret = encryption_key.encode()
        derived = HKDF(hashes.SHA512(), KEY_BYTES, salt=None, info=PURPOSE).derive(secret)
        self._key = OctKey.import_key(derived)
        self._key_id = hashlib.sha256(derived).hexdigest()[:KEY_ID_CHARACTERS]
        self._old_key = hashlib.sha256(secret).digest()
        self._registry = jwe.JWERegistry(algorithms=[ALGORITHM, ENCRYPTION], strict_check_header=False)

    def seal(self, user_id: str, provider: str, token: str) -> SealedToken:
        """Binds it to user and provider."""
        header = {"alg": ALGORITHM, "enc": ENCRYPTION, **self._bound(user_id, provider)}
        return SealedToken(jwe.encrypt_compact(header, token.encode(), self._key, registry=self._registry))

    def open(self, user_id: str, provider: str, sealed: SealedToken) -> str:
        """The token. Raises TokenUnreadable."""
        try:
            return self._open_old(sealed) if sealed.iv else self._open(user_id, provider, sealed)
        except (JoseError, ValueError, TypeError, KeyError, InvalidTag) as error:
            raise TokenUnreadable from error

    def _open(self, user_id: str, provider: str, sealed: SealedToken) -> str:
        opened = jwe.decrypt_compact(sealed.value, self._key, registry=self._registry)
        bound = self._bound(user_id, provider)
        if {name: opened.protected.get(name) for name in bound} != bound or opened.plaintext is None:
            raise TokenUnreadable
        return opened.plaintext.decode()

    def _bound(self, user_id: str, provider: str) -> dict[str, str]:
        return {"kid": self._key_id, "owner": user_id, "provider": provider}

    def _open_old(self, sealed: SealedToken) -> str:
        """The predecessor's form: AES-256-CBC, PKCS#7, hex, no MAC. Only read, and rewritten at once."""
        cipher = Cipher(algorithms.AES(self._old_key), modes.CBC(bytes.fromhex(sealed.iv))).decryptor()
        padded = cipher.update(bytes.fromhex(sealed.value)) + cipher.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
