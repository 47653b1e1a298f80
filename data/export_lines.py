"""Writes an account's transactions to a file: whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from billing.access import AccountScope, Role
from billing.errors import InputError
from billing.periods import check_range
from billing.queries import Filters
from billing.usage import UsageLine
from data.accounts import read_account
from data.installation import Installation


def export_csv(
    installation: Installation,
    account_id: str,
    start: date,
    end: date,
    output: Path,
    write: Callable[[Iterable[UsageLine], str], Iterator[str]],
) -> int:
    """Writes every line booked in ``[start, end)``; gives how many.

    The file appears under its name only when it is complete. Errors: ``NotFoundError``,
    ``InputError``, ``OSError``.
    """
    if output.is_dir() or not output.parent.is_dir():
        raise InputError("output", output, "name a file in a folder that exists")
    with installation.database.read() as connection:
        account = read_account(connection, account_id)
    period = check_range(start, end)
    scope = AccountScope(account, Role.ADMIN, installation.clock.now())
    count = 0

    def counted() -> Iterator[UsageLine]:
        nonlocal count
        for line in installation.reader.stream_lines(scope, period, Filters()):
            count += 1
            yield line

    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            for chunk in write(counted(), account.zones.name_on(period.last_day)):
                file.write(chunk)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return count
