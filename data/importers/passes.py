"""The passes over a log: one that only looks, then one or two that make events of its rows.

Nothing is kept but a batch at a time, whatever the size of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from billing.errors import InputError, ProductError
from billing.events import StatusEvent, UsageEvent
from data.importers.containers import FileState, file_state, open_log
from data.importers.errors import FileRefusedError, PrivateInputError
from data.importers.events import MappingContext, RowMapper
from data.importers.identity import KeyReader, TwinFinder, Twins, key_reader
from data.importers.maps import ColumnMap
from data.importers.rows import LogRows, Record
from data.importers.usage_lines import UsageLineMapper

PROGRESS_ROWS = 10_000
OnBytes = Callable[[int, int], None]  # (bytes of the file read so far, rows read so far)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a first pass learned of a log without taking anything.

    ``has_keys``: its rows carry an identity of their own, so that equal ones are one.
    """

    state: FileState
    row_count: int
    fingerprint: str
    repeated: NDArray[np.uint64]
    has_keys: bool


@dataclass(slots=True)
class Batch:
    """The next rows of a log: events with their lines and digests, and what was refused.

    ``names``: what people call campaigns and consumers, by table and id. ``receipts``: what
    moved the line of an event, by the event's place.
    """

    row_count: int = 0
    skipped_count: int = 0
    done_bytes: int = 0
    events: list[UsageEvent] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)
    refused: list[tuple[int, ProductError]] = field(default_factory=list)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    receipts: dict[int, StatusEvent] = field(default_factory=dict)


class Mapper(Protocol):
    """Makes an event of a row; none for a row that another one already stands for."""

    def event(self, row: list[str], position: int, event_id: str) -> UsageEvent | None:
        """The event; ``InputError`` for a row that can't be one."""
        ...


def _key_reader(column_map: ColumnMap, header: list[str], key: bytes) -> tuple[KeyReader, bool]:
    """What tells rows apart, and whether columns do; a file that lacks one of them has none."""
    rule = column_map.identity
    has_keys = bool(rule.columns) and set(rule.columns) <= set(header)
    if not has_keys:
        return key_reader((), header, key), False
    return key_reader(rule.columns, header, key, rule.more), True


def scan(file: Path, column_map: ColumnMap, key: bytes, on_bytes: OnBytes) -> Scan:
    """Reads the whole file once: container, encoding, header, quotes, and which rows repeat.

    Errors: ``FileRefusedError``.
    """
    state = file_state(file)
    count = 0
    with TwinFinder() as finder, open_log(file, column_map.file.member) as log:
        rows = LogRows(file, log, column_map)
        key_of, has_keys = _key_reader(column_map, rows.header, key)
        for _line, row in rows:
            count += 1
            if not isinstance(row, InputError):
                with suppress(InputError):  # refused with its line when it is read again
                    finder.add(key_of(row)[1])
            if count % PROGRESS_ROWS == 0:
                on_bytes(log.done_bytes(), count)
        on_bytes(log.done_bytes(), count)
        return Scan(state, count, rows.fingerprint(), finder.repeated(), has_keys)


def batches(
    file: Path,
    column_map: ColumnMap,
    context: MappingContext,
    scanned: Scan,
    key: bytes,
    size: int,
) -> Iterator[Batch]:
    """The whole file again, as batches of ``size`` rows in file order."""
    if file_state(file) != scanned.state:
        raise FileRefusedError(file, "it changed while it was read", "Import it again.")
    with open_log(file, column_map.file.member) as log:
        rows = LogRows(file, log, column_map)
        maker = _BatchMaker(column_map, rows.header, context, scanned, key)
        records = iter(rows)
        while taken := list(islice(records, size)):
            batch = maker.make(taken)
            batch.done_bytes = log.done_bytes()
            yield batch


class _BatchMaker:
    """Gives each row its identity and makes its event."""

    def __init__(
        self,
        column_map: ColumnMap,
        header: list[str],
        context: MappingContext,
        scanned: Scan,
        key: bytes,
    ) -> None:
        self._key_of, has_keys = _key_reader(column_map, header, key)
        self._has_ordinals = not has_keys
        self._twins = Twins(scanned.repeated)
        self._lines = UsageLineMapper(header, context) if is_export(column_map) else None
        self._mapper: Mapper = self._lines or RowMapper(column_map, header, context)
        self._position = 0

    def make(self, records: list[Record]) -> Batch:
        batch = Batch(row_count=len(records))
        taken: list[tuple[int, int, list[str], str]] = []
        digests: list[int] = []
        for position, (line, row) in enumerate(records, self._position):
            try:
                if isinstance(row, InputError):
                    raise row
                name, digest = self._key_of(row)
            except InputError as error:
                batch.refused.append((line, error))
            else:
                taken.append((line, position, row, name))
                digests.append(digest)
        self._position += len(records)
        ordinals = self._twins.ordinals(digests) if self._has_ordinals else None
        make_event = self._mapper.event
        skipped: list[tuple[int, int]] = []
        for place, (line, position, row, name) in enumerate(taken):
            event_id = f"{name}#{ordinals[place]}" if ordinals else name
            try:
                event = make_event(row, position, event_id)
            except ProductError as error:
                batch.refused.append((line, error))
                continue
            if event is None:
                skipped.append((line, digests[place]))
                continue
            if self._lines and (receipt := self._lines.take_receipt()):
                batch.receipts[len(batch.events)] = receipt
            batch.events.append(event)
            batch.lines.append(line)
            batch.digests.append(digests[place])
        if self._lines:
            self._check_skipped(batch, skipped)
            batch.names = self._lines.take_names()
        return batch

    def _check_skipped(self, batch: Batch, skipped: list[tuple[int, int]]) -> None:
        """A line is left to its event's other line only where the file has that one too."""
        repeated = self._twins.repeated_among([digest for _, digest in skipped])
        for line, digest in skipped:
            if digest in repeated:
                batch.skipped_count += 1
            else:
                fix = "the call's talk time isn't in this file: export without a metric filter"
                batch.refused.append((line, PrivateInputError("metric", fix)))


def is_export(column_map: ColumnMap) -> bool:
    """Whether rows are this product's own lines instead of another system's."""
    return column_map.type == "usage-line"
