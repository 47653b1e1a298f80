"""Secrets that have to be read again, encrypted under the installation's secret.

What is only compared is hashed instead (data/identity.py).
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from billing.errors import ProductError


class SealError(ProductError):
    """A secret that was sealed under another one, or altered."""

    code = "sealed"


class Seals:
    """Seals and opens texts for one purpose: what one purpose sealed, no other can open."""

    def __init__(self, secret: str, purpose: str) -> None:
        key = HKDF(SHA256(), 32, None, purpose.encode()).derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        """The text, encrypted and authenticated."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text again. Errors: ``SealError``."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealError(
                "A secret can't be read: it was kept under another USAGE_SECRET_KEY. Set that one "
                "again, or make a new secret."
            ) from None
