"""Migrates a store to the newest revision; imported only for a store that isn't there yet."""

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from perpend.errors import StorageError

_SCRIPTS = str(Path(__file__).with_name("migrations"))


def scripts() -> ScriptDirectory:
    """The migrations, as Alembic reads them."""
    return ScriptDirectory(_SCRIPTS, version_locations=[_SCRIPTS])


def migrate(engine: Engine) -> None:
    """Run the missing migrations in one transaction; another process that does the same waits, and finds them done.

    Raises StorageError for a store of a newer Perpend, and DBAPIError.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            context = MigrationContext.configure(connection)
            current, known = context.get_current_revision(), scripts()
            if current not in (None, *(script.revision for script in known.walk_revisions())):
                raise StorageError(
                    f"the store was written by a newer Perpend (its revision is {current})",
                    hint="upgrade perpend, or set storage.path to another file",
                )
            with Operations.context(context):
                for script in reversed(list(known.iterate_revisions("head", current or "base"))):
                    script.module.upgrade()
                    context.stamp(known, script.revision)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
