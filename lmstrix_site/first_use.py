"""Makes the database at the first use of any command, and brings an older one up to date."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from registry.models import Registry, Role, User

KEPT_COPIES = 5  # of the SQLite file, one before each migration


class DatabaseNewer(Exception):
    """The database has tables of a newer LMStrix: working on it could damage it."""


def prepare_database() -> bool:
    """Creates or migrates the database when needed; True when it did.

    Costs a few milliseconds when everything is there. Many processes may call it at once: one does the work, the
    others wait. An existing SQLite file is copied to `<data directory>/backups` first. Raises DatabaseNewer.
    """
    if _is_ready():
        return False
    with _alone():
        if _is_ready():
            return False
        if _pending():
            copy_before_migration()
            call_command("migrate", verbosity=0, interactive=False)
        _seed()
    return True


def unknown_migrations() -> list[str]:
    """Migrations recorded in the database that this program does not have, as `app.name`."""
    loader = MigrationExecutor(connection).loader
    known = set(loader.disk_migrations or {})
    applied = set(loader.applied_migrations or {})
    return sorted(f"{app}.{name}" for app, name in applied - known if app in loader.migrated_apps)


def pending_migrations() -> list[str]:
    """Migrations of this program that the database does not have yet, as `app.name`."""
    return [f"{migration.app_label}.{migration.name}" for migration in _pending()]


def copy_before_migration() -> Path | None:
    """Copies an existing SQLite file into the backups folder; None when there is nothing to copy."""
    if connection.vendor != "sqlite":
        return None
    file = Path(str(connection.settings_dict["NAME"]))
    if not file.exists() or not connection.introspection.table_names():
        return None
    folder = Path(settings.DATA_DIR) / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    copy = folder / f"before-migration-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.sqlite3"
    # SQLite's own copying: a plain copy of the file would miss what is still in the write-ahead log
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for old in sorted(folder.glob("before-migration-*.sqlite3"))[:-KEPT_COPIES]:
        old.unlink(missing_ok=True)
    return copy


def _is_ready() -> bool:
    if unknown := unknown_migrations():
        raise DatabaseNewer(
            f"The database was made by a newer LMStrix (it has {unknown[0]}, unknown here); "
            "run that version, or put back a copy from the backups folder of the data directory."
        )
    return not _pending() and User.objects.exists() and Registry.objects.exists()


def _pending() -> list[Migration]:
    executor = MigrationExecutor(connection)
    return [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def _seed() -> None:
    """The default registry, and an admin who signs in by link until a password is set."""
    Registry.objects.default()
    if not User.objects.exists():
        admin = User(username="admin", role=Role.ADMIN)
        admin.set_unusable_password()
        admin.save()


@contextmanager
def _alone() -> Iterator[None]:
    with open(Path(settings.DATA_DIR) / "migrate.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
