"""Identifiers and pseudonyms: time-ordered ids, keyed hashes of numbers and tokens."""

from __future__ import annotations

import hashlib
import hmac

import uuid_utils

PSEUDONYM_BYTES = 16


def new_id() -> str:
    """A UUIDv7: ids made later sort later, which keeps indexes appending."""
    return str(uuid_utils.uuid7())


def new_request_id() -> str:
    """16 hex digits that tell one request from another, and are no secret.

    The kernel isn't asked for them: whoever asks it waits for the interpreter afterwards.
    """
    return uuid_utils.uuid4().hex[:16]


class Pseudonyms:
    """Keyed hashes under the installation's secret: equal inputs can be matched, not read."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(secret.encode(), digest_size=32).digest()

    def number(self, account_id: str, number: str) -> str:
        """32 hex digits for a phone number; the same number differs from account to account."""
        text = f"{account_id}\0{number}".encode()
        return hashlib.blake2b(text, key=self._key, digest_size=PSEUDONYM_BYTES).hexdigest()

    def token(self, token: str) -> str:
        """64 hex digits for a random token or key: what is stored in its place."""
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()
