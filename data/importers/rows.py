"""The rows of a log, one after another, with their line numbers: strict about what it reads.

Problems of the whole file (encoding, header, broken quotes) end the reading with
``FileRefusedError``; a row that is broken alone comes out as the error it is.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from billing.errors import InputError
from data.importers.containers import OpenLog
from data.importers.errors import FileRefusedError
from data.importers.maps import ColumnMap

LONGEST_LINE_BYTES = 1 << 20
UTF8_BOM = b"\xef\xbb\xbf"
WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
MOST_NAMED = 8

Record = tuple[int, "list[str] | InputError"]


class LogRows:
    """Reads one pass over an open log. ``header``: the names of its columns, in file order.

    Names are the map's wherever one of them was recognised.
    """

    def __init__(self, file: Path, log: OpenLog, column_map: ColumnMap) -> None:
        form = column_map.file
        self._file = file
        self._log = log
        self._map = column_map
        self._format = form
        self._first: list[str] | None = None  # a row that was read to recognise the columns
        self._digest = hashlib.blake2b(digest_size=16)
        self._reader = csv.reader(
            self._lines(),
            delimiter=form.delimiter,
            quoting=csv.QUOTE_MINIMAL if form.quoting else csv.QUOTE_NONE,
            strict=True,
        )
        if form.header:
            self.header = self._read_header()
        else:
            self.header = self._find_layout() if form.layouts else list(form.columns)

    def __iter__(self) -> Iterator[Record]:
        """(line number, cells) for each row; its error in place of the cells of a broken one."""
        reader, width = self._reader, len(self.header)
        multiline = self._format.multiline
        if self._first is not None:
            yield 1, self._first
        line = reader.line_num
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                line, begun = reader.line_num, line + 1
                yield line, self._broken(begun, line, error)
                continue
            begun, line = line + 1, reader.line_num
            if begun != line and not multiline:
                raise self._unclosed(begun)
            if len(row) == width:
                yield begun, row
            elif row:
                yield begun, self._wrong_width(begun, len(row))

    def fingerprint(self) -> str:
        """A hash of every line read so far, whatever the file is called or packed in."""
        return self._digest.hexdigest()

    def _lines(self) -> Iterator[str]:
        """Decoded lines, each with its end; a line is found before it is decoded."""
        encoding, read = self._format.encoding, self._log.lines.readline
        add = self._digest.update
        number = 0
        while raw := read(LONGEST_LINE_BYTES):
            number += 1
            if number == 1:
                raw = self._without_bom(raw)
            if len(raw) >= LONGEST_LINE_BYTES:
                raise FileRefusedError(
                    self._file, f"a line is longer than {LONGEST_LINE_BYTES:,} bytes",
                    "Check that this is a text file of one row a line.", number,
                )  # fmt: skip
            add(raw)
            try:
                yield raw.decode(encoding)
            except UnicodeDecodeError:
                raise FileRefusedError(
                    self._file, f"this is not {encoding}",
                    "Name the right encoding in the map's file.encoding.", number,
                ) from None  # fmt: skip

    def _without_bom(self, raw: bytes) -> bytes:
        if raw.startswith(WIDE_BOMS):
            raise FileRefusedError(
                self._file, "this is UTF-16", "Save it as UTF-8 and import it again.", 1
            )
        return raw.removeprefix(UTF8_BOM)

    def _read_header(self) -> list[str]:
        wanted = self._format.columns
        try:
            found = self._recognised([name.strip() for name in next(self._reader, [])])
        except csv.Error:
            raise self._unclosed(1) from None
        missing = [name for name in wanted if name not in found]
        if missing:
            names = ", ".join(missing[:MOST_NAMED])
            raise FileRefusedError(
                self._file, f"its header lacks the columns {names}",
                "Choose the map of this log, or adapt one.", 1,
            )  # fmt: skip
        doubled = [name for name in wanted if found.count(name) > 1]
        if doubled:
            raise FileRefusedError(
                self._file, f"its header has {doubled[0]} twice", "Name each column once.", 1
            )
        return found

    def _recognised(self, found: list[str]) -> list[str]:
        """A header with the map's names in place of other spellings and aliases of them."""
        form = self._format
        known = {_letters(name): name for name in form.columns}
        known |= {_letters(alias): name for alias, name in form.aliases.items()}
        taken = set(found)
        names = [known.get(_letters(name), name) for name in found]
        return [
            name if spelt == name or name not in taken else spelt
            for spelt, name in zip(found, names, strict=True)
        ]

    def _find_layout(self) -> list[str]:
        """The order of the columns, told from the first row: a heading, or a layout that fits."""
        try:
            row = next(self._reader, [])
        except csv.Error:
            raise self._unclosed(1) from None
        if self._reader.line_num > 1 and not self._format.multiline:
            raise self._unclosed(1)
        names = self._recognised([name.strip() for name in row])
        if self._map.needed_columns <= set(names):
            return names
        self._first = row
        layouts = [self._format.columns, *self._format.layouts]
        widths = sorted({len(layout) for layout in layouts})
        fitting = [layout for layout in layouts if len(layout) == len(row)]
        if not fitting:
            shown = ", ".join(str(width) for width in widths)
            raise FileRefusedError(
                self._file, f"it begins with {len(row)} columns where its map knows {shown}",
                "Choose the map of this log, or adapt one.", 1,
            )  # fmt: skip
        rule = self._map.answered
        known = {*rule.values, *rule.others} if rule and rule.values and rule.others else None
        if known is None or rule is None:
            return list(fitting[0])
        for layout in fitting:
            if row[layout.index(rule.column)].strip() in known:
                return list(layout)
        raise FileRefusedError(
            self._file, f"its first row has no {rule.column} where its map looks for one "
            f"({', '.join(sorted(known))})",
            "Choose the map of this log, or write its columns in order into a map of your own.", 1,
        )  # fmt: skip

    def _wrong_width(self, line: int, found: int) -> InputError:
        """A row with too many or too few columns; without a header the first one tells all."""
        width = len(self.header)
        if line == 1:
            raise FileRefusedError(
                self._file, f"it begins with {found} columns where its map has {width}",
                "Choose the map of this log, or adapt one.", 1,
            )  # fmt: skip
        return InputError("row", f"{found} columns", f"use {width} columns")

    def _broken(self, begun: int, line: int, error: csv.Error) -> InputError:
        """A row the reader can't split: refused alone unless it may have swallowed others."""
        reason = str(error)
        if "field larger" in reason and begun == line:
            limit = csv.field_size_limit()
            return InputError("row", "a huge field", f"keep fields below {limit:,} characters")
        if "new-line" in reason:
            return InputError("row", "a line break", "remove line ends from its fields")
        raise self._unclosed(begun)

    def _unclosed(self, line: int) -> FileRefusedError:
        return FileRefusedError(
            self._file, "a quote is not closed, or has text after it",
            "Close or double it, or switch the map's file.quoting off.", line,
        )  # fmt: skip


def _letters(name: str) -> str:
    """A column's name by its letters and digits: ``Start Time`` and ``start_time`` are one."""
    return "".join(character for character in name.casefold() if character.isalnum())
