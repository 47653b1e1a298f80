"""What every table shares: naming, key types, the metadata they belong to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, String

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

SEQ = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER keys by itself
ACCOUNT_ID = String(64)
UUID = String(36)
NAME = String(255)
