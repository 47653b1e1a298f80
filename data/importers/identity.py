"""How rows of a log are told apart for ever: by columns, or by a hash and an ordinal.

A row without a key gets a keyed hash of its cells, then ``#`` and its place among equal rows of
the file, so that true twins stay two and a second run finds both. The key belongs to the ledger:
it must outlive any change of the installation's secret, or old rows would come in again.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from data import tables as t
from data.importers.errors import PrivateInputError

KEY_FACT = "import_key"
HASH_BYTES, DIGEST_BYTES = 16, 8
DIGESTS_IN_MEMORY = 4_000_000
_CELL_END = "\x1f"

# A row's key: what its id is made of, and 64 bits that stand for it when rows are compared.
RowKey = tuple[str, int]
KeyReader = Callable[[Sequence[str]], RowKey]


def read_import_key(connection: Connection) -> bytes | None:
    """The ledger's key for row hashes; none before its first import."""
    found = connection.scalar(select(t.facts.c.value).where(t.facts.c.name == KEY_FACT))
    return bytes.fromhex(found) if found else None


def ensure_import_key(connection: Connection, fresh: bytes) -> bytes:
    """The ledger's key, made from ``fresh`` bytes if it has none yet."""
    found = read_import_key(connection)
    if found is None:
        connection.execute(insert(t.facts).values(name=KEY_FACT, value=fresh.hex()))
    return found or fresh


def new_import_key() -> bytes:
    """Random bytes for a ledger that has no key yet."""
    return secrets.token_bytes(32)


def key_reader(
    columns: Sequence[str], header: Sequence[str], key: bytes, more: Sequence[str] = ()
) -> KeyReader:
    """A function of a row to its key; ``InputError`` when a key column is empty.

    ``more``: columns that may be empty and may be personal: they enter the key as a hash.
    """
    places = [header.index(column) for column in columns]
    more_places = [header.index(column) for column in more]
    blake2b, from_bytes = hashlib.blake2b, int.from_bytes

    def whole_row(row: Sequence[str]) -> RowKey:
        text = _CELL_END.join(row).encode()
        digest = blake2b(text, digest_size=HASH_BYTES, key=key).digest()
        return digest.hex(), from_bytes(digest[:DIGEST_BYTES], "little")

    def by_columns(row: Sequence[str]) -> RowKey:
        cells = [row[place].strip() for place in places]
        if "" in cells:
            raise PrivateInputError(columns[cells.index("")], "this column may not be empty")
        # A bar inside a cell must not make two keys look the same.
        text = "|".join([cell.replace("|", "||") for cell in cells]) if cells[1:] else cells[0]
        if more_places:
            rest = _CELL_END.join([row[place] for place in more_places]).encode()
            text += f"|{blake2b(rest, digest_size=DIGEST_BYTES, key=key).hexdigest()}"
        digest = blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
        return text, from_bytes(digest, "little")

    return by_columns if places else whole_row


class TwinFinder(ExitStack):
    """Collects a digest a row in a first pass: 8 bytes of each, in a file. Use it in a ``with``.

    ``repeated`` then holds only what occurs more than once, so memory follows the twins.
    """

    def __init__(self) -> None:
        super().__init__()
        self._file = self.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with self
        self._recent = array("Q")
        self._count = 0

    def add(self, digest: int) -> None:
        """One row's digest."""
        self._recent.append(digest)
        if len(self._recent) >= 1 << 16:
            self._spill()

    def repeated(self) -> NDArray[np.uint64]:
        """What occurred more than once, in order; found part by part."""
        self._spill()
        parts = 1 + self._count // DIGESTS_IN_MEMORY
        repeated = [self._repeated(part, parts) for part in range(parts)]
        return np.sort(np.concatenate(repeated))

    def _spill(self) -> None:
        self._file.write(self._recent.tobytes())
        self._count += len(self._recent)
        self._recent = array("Q")

    def _repeated(self, part: int, parts: int) -> NDArray[np.uint64]:
        """The digests of one part that occur more than once, in order."""
        self._file.seek(0)
        chunks = []
        while raw := self._file.read(DIGESTS_IN_MEMORY):
            chunk = np.frombuffer(raw, np.uint64)
            chunks.append(chunk[chunk % np.uint64(parts) == part] if parts > 1 else chunk)
        if not chunks:
            return np.empty(0, np.uint64)
        digests = np.sort(np.concatenate(chunks))
        return np.unique(digests[1:][digests[1:] == digests[:-1]])


class Twins:
    """Counts rows that occur more than once, in file order."""

    def __init__(self, repeated: NDArray[np.uint64]) -> None:
        """``repeated``: the sorted digests of rows that occur more than once."""
        self._repeated = repeated
        self._seen = np.zeros(len(repeated), np.uint32)

    def ordinals(self, digests: Sequence[int]) -> list[int]:
        """For each digest of the next rows, its place among equal ones, from 1."""
        found = [1] * len(digests)
        for place, index in self._hits(digests):
            self._seen[index] += 1
            found[place] = int(self._seen[index])
        return found

    def repeated_among(self, digests: Sequence[int]) -> set[int]:
        """Those that occur more than once in the whole file."""
        return {digests[place] for place, _ in self._hits(digests)}

    def _hits(self, digests: Sequence[int]) -> list[tuple[int, int]]:
        """(place among ``digests``, place among the repeated) of each that is repeated."""
        if not len(self._repeated) or not digests:
            return []
        wanted = np.array(digests, np.uint64)
        places = np.searchsorted(self._repeated, wanted)
        places[places == len(self._repeated)] = 0
        hits = np.flatnonzero(self._repeated[places] == wanted)
        return list(zip(hits.tolist(), places[hits].tolist(), strict=True))
