"""What can go wrong with the store. Every error says what happened and what to do about it.

No message carries a database address: one may hold a password.
"""

from __future__ import annotations


class StoreError(Exception):
    """Something is wrong with the database. `remedy` is a plain sentence: what to do."""

    remedy = "See the log for what the database said."

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what)
        if remedy is not None:
            self.remedy = remedy


class BadDatabaseUrl(StoreError):  # noqa: N818 - the name is the trouble
    """DATABASE_URL cannot be used as it stands."""

    remedy = "Set DATABASE_URL to sqlite:///FILE or to postgresql://USER:PASSWORD@HOST/DATABASE."


class StoreUnavailable(StoreError):  # noqa: N818 - the name is the trouble
    """The database could not be asked, or did not answer in time. Try again later.

    `certain` tells whether nothing was written (True), or whether it may have been (False): the
    connection broke while the commit was on its way, or the deadline passed meanwhile.
    """

    remedy = "Check that the database runs and that DATABASE_URL points at it."
    passing = True
    """Asked again later, it may go well: who asked is told so, and nothing is wrong with us."""

    def __init__(self, what: str, *, certain: bool = True, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.certain = certain


class NumberTaken(StoreError):  # noqa: N818 - the name is the trouble
    """Two messages of a session cannot have the same number in a dialog: nothing was written.

    The code never asks for that knowingly. Whoever did has to look again.
    """

    remedy = "Report it with the log: a number of LivePerson was given to two messages."

    def __init__(self) -> None:
        super().__init__("Another message of this session has that number already.")


class NameTaken(StoreError):  # noqa: N818 - the name is the trouble
    """Another living process is the worker of this name."""

    remedy = "Give each bridge its own BRIDGE_WORKER_ID, or leave it unset; or stop the other one."

    def __init__(self, worker: str) -> None:
        super().__init__(f"Another bridge that runs is called {worker} too.")


class NotMigrated(StoreError):  # noqa: N818 - the name is the trouble
    """The database does not have the tables of this version."""

    remedy = "Run `lp-bridge db upgrade`."


class TooNew(NotMigrated):
    """The database was migrated by a newer version of the bridge."""

    remedy = "Install that version, or a later one."


class KeyMissing(StoreError):  # noqa: N818 - the name is the trouble
    """There is no encryption key, but the database needs one."""

    remedy = (
        "Set BRIDGE_ENCRYPTION_KEYS. To make a key: "
        'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    )


class BadKey(StoreError):  # noqa: N818 - the name is the trouble
    """An encryption key is malformed, its file cannot be used, or it opens nothing."""

    remedy = (
        "Put the key that the database was written with back into BRIDGE_ENCRYPTION_KEYS (several "
        "are separated by commas; the first encrypts), or restore the .key file beside the "
        "database."
    )
