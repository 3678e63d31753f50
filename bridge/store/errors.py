"""What can go wrong with the store. Every error says what happened and what to do about it.

No message carries a database address: one may hold a password.
"""

from __future__ import annotations

from bridge.errors import ExplainedError, OutcomeUnknown, Permanent, Transient


class StoreError(ExplainedError):
    """Something is wrong with the database. `remedy` is a plain sentence: what to do."""

    remedy = "See the log for what the database said."

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what)
        if remedy is not None:
            self.remedy = remedy


class BadDatabaseUrl(StoreError, Permanent):  # noqa: N818 - the name is the trouble
    """DATABASE_URL cannot be used as it stands."""

    remedy = "Set DATABASE_URL to sqlite:///FILE or to postgresql://USER:PASSWORD@HOST/DATABASE."


class StoreUnavailable(StoreError, Transient):  # noqa: N818 - the name is the trouble
    """The database could not be asked, or did not answer in time. Try again later.

    Nothing was written, unless it is a `CommitUnknown`.
    """

    remedy = "Check that the database runs and that DATABASE_URL points at it."


class CommitUnknown(StoreUnavailable, OutcomeUnknown):
    """The transaction may be committed: the connection broke, or the deadline passed, meanwhile."""


class NumberTaken(StoreError, Permanent):  # noqa: N818 - the name is the trouble
    """Another message of the session has this number in the dialog already: nothing was written.

    The bridge never assigns a number twice knowingly. The caller has to look in the dialog again.
    """

    remedy = "Report it with the log: a number of LivePerson was given to two messages."

    def __init__(self) -> None:
        super().__init__("Another message of this session has that number already.")


class NameTaken(StoreError, Permanent):  # noqa: N818 - the name is the trouble
    """Another living process is the worker of this name."""

    remedy = "Give each bridge its own BRIDGE_WORKER_ID, or leave it unset; or stop the other one."

    def __init__(self, worker: str) -> None:
        super().__init__(f"Another bridge that runs is called {worker} too.")


class NotMigrated(StoreError, Permanent):  # noqa: N818 - the name is the trouble
    """The database does not have the tables of this version."""

    remedy = "Run `lp-bridge db upgrade`."


class TooNew(NotMigrated):
    """The database was migrated by a newer version of the bridge."""

    remedy = "Install that version, or a later one."


class KeyMissing(StoreError, Permanent):  # noqa: N818 - the name is the trouble
    """There is no encryption key, but the database needs one."""

    remedy = (
        "Set BRIDGE_ENCRYPTION_KEYS. To make a key: "
        'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    )


class BadKey(StoreError, Permanent):  # noqa: N818 - the name is the trouble
    """An encryption key is malformed, its file cannot be used, or it opens nothing."""

    remedy = (
        "Put the key that the database was written with back into BRIDGE_ENCRYPTION_KEYS (several "
        "are separated by commas; the first encrypts), or restore the .key file beside the "
        "database."
    )
