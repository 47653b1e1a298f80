"""The nightly proof of analytics, and what is made again where they differ from the ledger.

What the last one found is kept in the ledger, so that every process can tell it. Safe to repeat.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from data.analytics.lake import LakeError
from data.installation import Installation
from data.lease import Writes
from data.proof.months import MonthProof, prove_months
from data.tables import facts

FACT = "nightly_proof"
NIGHT_HOUR = 2  # of UTC
EVERYTHING = "*"  # in place of a month: analytics could not be read at all
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProofState:
    """What the last proof found. ``is_mended``: what differed was made again and is right now."""

    at: datetime
    month_count: int
    differing: tuple[str, ...]
    is_mended: bool


def last_proof(connection: Connection) -> ProofState | None:
    """The last proof's result; none before the first."""
    kept = connection.scalar(select(facts.c.value).where(facts.c.name == FACT))
    if kept is None:
        return None
    found = json.loads(kept)
    return ProofState(
        datetime.fromisoformat(found["at"]), found["month_count"], tuple(found["differing"]),
        found["is_mended"],
    )  # fmt: skip


def is_due(last: ProofState | None, now: datetime) -> bool:
    """Whether there was no proof since the last night began; one that was missed is made up for."""
    night = now.astimezone(UTC).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    if night > now:
        night -= timedelta(days=1)
    # One of the future was made by a clock that has been put back: it would keep the next waiting.
    return last is None or last.at < night or last.at > now


def prove_and_mend(
    installation: Installation, writes: Writes, go_on: Callable[[], object] = bool
) -> ProofState:
    """Proves every open month, makes one that differs again, and everything if that didn't help.

    ``go_on`` is called between steps: what it raises ends this, and the next run begins anew.
    """
    differing: tuple[str, ...]
    try:
        proof = prove_months(installation.database, installation.lake)
        differing = tuple(proof.differing)
    except LakeError as error:
        _log.error("nightly proof: %s", error.message)
        proof, differing = None, (EVERYTHING,)
    if differing:
        proof = _mended(installation, proof, go_on)
    month_count = len(proof.months) if proof else 0
    is_mended = bool(differing) and proof is not None and not proof.differing
    state = ProofState(installation.clock.now(), month_count, differing, is_mended)
    writes.write(lambda connection: _keep(connection, state))
    return state


def _mended(
    installation: Installation, proof: MonthProof | None, go_on: Callable[[], object]
) -> MonthProof:
    """The proof after everything that differed was made again."""
    from data.analytics.months import rebuild_month  # with pyarrow: no start needs it
    from data.analytics.rebuild import rebuild

    def told(_done: int, _total: int) -> None:
        go_on()

    database, lake = installation.database, installation.lake
    if proof is not None:
        _report(proof)
        for month in proof.differing:
            go_on()
            count = rebuild_month(database, lake, month, go_on)
            _log.warning("analytics of %s were made again: %s lines", month, count)
        proof = prove_months(database, lake)
        if not proof.differing:
            return proof
        _report(proof)
    go_on()
    directory = installation.settings.data_dir
    rebuild(database, directory, clock=installation.clock, progress=told)
    _log.warning("analytics were made again as a whole")
    proof = prove_months(database, lake)
    _report(proof)
    return proof


def _report(proof: MonthProof) -> None:
    for month, texts in proof.differing.items():
        _log.error("nightly proof: analytics of %s differ: %s", month, "; ".join(texts))


def _keep(connection: Connection, state: ProofState) -> None:
    kept = json.dumps({**asdict(state), "at": state.at.isoformat()}, sort_keys=True)
    connection.execute(delete(facts).where(facts.c.name == FACT))
    connection.execute(insert(facts).values(name=FACT, value=kept))
