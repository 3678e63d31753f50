"""`lp-bridge doctor`: runs the checks on the configuration, and prints the results."""

from __future__ import annotations

import click

from bridge.config import ConfigError, Settings, is_account, load
from bridge.liveperson.errors import shown
from bridge.ops.doctor import Check, check_installed, healthy, render, run_doctor
from bridge.slack import scopes
from bridge.store import installations
from bridge.store.database import open_database
from bridge.store.encryption import KeyRing
from bridge.store.engine import is_there, require_place
from bridge.store.errors import StoreError

SHOWN = 50
"""Most installations that are asked about."""


async def examine(account: str | None) -> int:
    """Check everything and print it; returns the exit status, 1 if anything is wrong."""
    try:
        settings = load()
    except ConfigError as error:
        checks = [Check("Configuration", False, "It cannot be used.", _indented(error))]
    else:
        checks = await _examine(settings, account)
    click.echo(render(checks))
    return 0 if healthy(checks) else 1


async def _examine(settings: Settings, account: str | None) -> list[Check]:
    async def configuration() -> Check:
        return check_configuration(settings)

    async def database() -> Check:
        return await check_database(settings)

    async def installed() -> list[Check]:
        return await check_installations(settings)

    found = None if account is None else settings.find_account(account)
    known = settings.account(found.number if found else account or "")
    checks = await run_doctor(
        csds_url=settings.liveperson_csds_url,
        allowed_hosts=settings.allowed_hosts,
        account=None if account is None else known.number,
        mode=known.auth,
        connector=known.connector,
        signs=(known.issuer, known.private_key),
        configuration=configuration,
        database=database,
        slack_token=settings.slack_bot_token,
        slack_app_token=settings.slack_app_token,
        slack_api_url=settings.slack_api_url,
        slack_scopes=scopes.required(),
        installations=None if settings.oauth is None else installed,
    )
    if is_account(known.number) and bool(known.campaign) != bool(known.engagement):
        said = f"Of `campaign` and `engagement` only one is set for {known.number}."
        checks.append(Check("Routing", False, said, "Set both: LivePerson takes neither alone."))
    if is_account(known.number) and found is None:
        said = f"The bridge refuses {known.number}: it is not among BRIDGE_ACCOUNTS."
        checks.append(
            Check("Account", False, said, "Add it there, or unset BRIDGE_ACCOUNTS to allow any.")
        )
    return checks


def check_configuration(settings: Settings) -> Check:
    """See whether `lp-bridge serve` has all it needs."""
    name = "Configuration"
    try:
        settings.require_serve()
    except ConfigError as error:
        return Check(name, False, "lp-bridge serve could not start with it.", _indented(error))
    way = "Socket Mode" if settings.slack_app_token else f"HTTP on port {settings.port}"
    file = f", {settings.bridge_config} names {len(settings.accounts)} accounts"
    return Check(name, True, way + (file if settings.bridge_config else ""))


async def check_database(settings: Settings) -> Check:
    """See whether the database answers, is migrated, opens with the keys, and takes writes."""
    name = "Database"
    kind = "PostgreSQL" if settings.uses_postgresql else "SQLite"
    try:
        if not is_there(settings.database_url):
            require_place(settings.database_url)
            if settings.encryption_keys:
                KeyRing(settings.encryption_keys)
            return Check(name, None, "SQLite, not there yet: lp-bridge serve will make it")
        async with open_database(settings.database_url, keys=settings.encryption_keys) as database:
            await database.check()
            await database.check_writing()
    except StoreError as error:
        return Check(name, False, str(error), error.remedy)
    return Check(name, True, f"{kind}, up to date, takes writes")


async def check_installations(settings: Settings) -> list[Check]:
    """List where the app is installed by OAuth, and ask Slack whether each token works."""
    name = "Installations"
    none = Check(name, None, "none yet: open /slack/install at the bridge's public address")
    if not is_there(settings.database_url):
        return [none]
    try:
        async with (
            open_database(settings.database_url, keys=settings.encryption_keys) as database,
            database.read() as transaction,
        ):
            rows = await installations.everywhere(transaction)
    except StoreError as error:
        return [Check(name, False, str(error), error.remedy)]
    checks = []
    for row in rows[-SHOWN:]:
        where = f"{'Organization' if row.organization else 'Workspace'} {shown(row.name)}"
        if row.token is None:
            checks.append(Check(where, None, f"{row.place}: the app was removed there"))
        else:
            checks.append(
                await check_installed(
                    where, row.token, api_url=settings.slack_api_url, scopes=scopes.required()
                )
            )
    if len(rows) > SHOWN:
        checks.append(Check(name, None, f"only the last {SHOWN} of {len(rows)} were looked at"))
    return checks or [none]


def _indented(error: ConfigError) -> str:
    return str(error).replace("\n", "\n" + " " * 11)
