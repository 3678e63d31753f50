"""Secrets that the bridge makes for itself, once for all workers, and keeps encrypted."""

from __future__ import annotations

import secrets

from sqlalchemy import bindparam, select, update

from bridge.store.connection import Transaction
from bridge.store.models import SECRETS
from bridge.store.statement import Statement

# By the primary key: run again, or by several at once, it adds one row.
_ADD = Statement(
    lambda insert: (
        insert(SECRETS)
        .values(name=bindparam("name"), value=bindparam("value", type_=SECRETS.c.value.type))
        .on_conflict_do_nothing()
    )
)
# By the primary key. No lock.
_VALUE = Statement(lambda _: select(SECRETS.c.value).where(SECRETS.c.name == bindparam("name")))
# By the primary key. Locks the row. Run again, it writes the same, in other letters.
_WRITE = Statement(
    lambda _: (
        update(SECRETS)
        .where(SECRETS.c.name == bindparam("which"))
        .values(value=bindparam("to", type_=SECRETS.c.value.type))
    )
)


async def secret(transaction: Transaction, name: str) -> str:
    """The secret of this name, which never changes: it is made when it is first asked for.

    It is encrypted anew by the key that is the first now, so that no older key is needed for it.
    Raises `BadKey` if none of the keys opens it.
    """
    await _ADD.change(transaction, name=name, value=secrets.token_hex(32))
    value = str(await _VALUE.value(transaction, name=name))
    await _WRITE.change(transaction, which=name, to=value)
    return value
