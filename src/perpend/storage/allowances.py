"""Limits of users and teams that were set while a gateway runs; those of a key are in its row."""

import sqlite3
from collections.abc import Mapping

import msgspec

from perpend.config.limits import Allowance, SubjectKind
from perpend.storage.sqlite import storage_error
from perpend.storage.store import Store

Allowances = Mapping[tuple[SubjectKind, str], Allowance]
"""By what is limited and its name."""


def read_allowances(store: Store) -> Allowances:
    """All of them. Raises StorageError."""
    # On the hot connection and without SQLAlchemy, since a server does this in its event loop.
    try:
        rows = store.connection.execute("SELECT kind, name, limits FROM allowances").fetchall()
    except sqlite3.Error as error:
        raise storage_error("the limits can't be read", error, store.path) from error
    return {(kind, name): msgspec.json.decode(limits, type=Allowance) for kind, name, limits in rows}


def set_allowance(store: Store, kind: SubjectKind, name: str, allowance: Allowance | None) -> None:
    """In place of what was set; None: nothing. Running servers know within a second. Raises StorageError."""
    from sqlalchemy import delete, insert

    from perpend.storage.schema import allowances

    chosen = (allowances.c.kind == kind) & (allowances.c.name == name)
    with store.transaction() as connection:
        connection.execute(delete(allowances).where(chosen))
        if allowance is not None:
            limits = msgspec.json.encode(allowance).decode()
            connection.execute(insert(allowances).values(kind=kind, name=name, limits=limits))
