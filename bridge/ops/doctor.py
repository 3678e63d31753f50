"""`lp-bridge doctor`: check everything the bridge needs, step by step, with the remedy for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

import aiohttp

from bridge.liveperson.connection import Connection
from bridge.liveperson.consumer_profile import ConsumerProfile
from bridge.liveperson.domains import IDP, MESSAGING, DomainDirectory
from bridge.liveperson.errors import LivePersonError, shown
from bridge.liveperson.identity import Credentials, IdentityProvider, Mode
from bridge.liveperson.ids import parse_account
from bridge.liveperson.rest import http_session
from bridge.liveperson.signing import Proof, signer_of
from bridge.slack.web.api import SLACK_API_URL, WebApi, slack_session
from bridge.slack.web.errors import APP_LEVEL_REMEDY, SlackError, SlackRefused
from bridge.slack.web.methods import AUTH_TEST, OPEN_CONNECTION
from bridge.slack.web.workspaces import identify, scopes_in

DEADLINE = 10.0
"""Seconds for one step."""
DOCTOR = ConsumerProfile("lp-bridge-doctor", name="lp-bridge doctor")
"""Whom the doctor is to LivePerson where a signed identity has to be tried."""
Signs = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    ok: bool | None
    """None: not checked, because an earlier step failed or there is nothing to check."""
    detail: str
    """What was found; no secret."""
    remedy: str = ""
    """What to do if something is wrong."""


Step = Callable[[], Awaitable[Check]]
"""A check that the caller provides; it never raises."""


async def run_doctor(
    *,
    csds_url: str,
    allowed_hosts: Sequence[str],
    account: str | None = None,
    mode: Mode = "auto",
    connector: str | None = None,
    signs: Signs | None = None,
    configuration: Step | None = None,
    database: Step | None = None,
    slack_token: str | None = None,
    slack_app_token: str | None = None,
    slack_api_url: str = SLACK_API_URL,
    slack_scopes: Collection[str] = (),
    installations: Callable[[], Awaitable[list[Check]]] | None = None,
) -> list[Check]:
    """Check configuration, database, Slack and LivePerson, in this order.

    `configuration` and `database`: the caller's checks. `slack_app_token`: Socket Mode's, checked
    if there is one. `slack_scopes`: those that the bot token should have. `installations`: the
    caller's checks of installs that were made by OAuth; a bot token is not needed then. Without
    `account`, LivePerson is not checked.
    """
    checks = [await step() for step in (configuration, database) if step is not None]
    if slack_token or installations is None:
        checks.append(await check_slack(slack_token, api_url=slack_api_url, scopes=slack_scopes))
    if installations is not None:
        checks += await installations()
    if slack_app_token:
        checks.append(await check_app_token(slack_app_token, api_url=slack_api_url))
    if account is None:
        checks.append(
            Check("LivePerson", None, "not looked at: name an account with --account to do so")
        )
    else:
        checks += await check_liveperson(
            account,
            csds_url=csds_url,
            allowed_hosts=allowed_hosts,
            mode=mode,
            connector=connector,
            signs=signs,
        )
    return checks


async def check_liveperson(
    account: str,
    *,
    csds_url: str,
    allowed_hosts: Sequence[str],
    mode: Mode = "auto",
    connector: str | None = None,
    signs: Signs | None = None,
    deadline: float = DEADLINE,
) -> list[Check]:
    """Go through a consumer's steps, domains → identity → token → socket; stop at the first fault.

    `signs`: with mode `authenticated`, the issuer and the private key of the configuration.

    It opens no conversation, so no agent is notified. `deadline`: seconds for the socket to open,
    and to answer.
    """
    checks: list[Check] = []
    steps = [
        "LivePerson domains",
        "LivePerson identity",
        "LivePerson token",
        "LivePerson socket",
    ]
    try:
        number = parse_account(account)
        async with http_session() as http:
            directory = DomainDirectory(http, csds_url=csds_url, allowed_hosts=allowed_hosts)
            domains = await directory.lookup(number)
            hosts = {service: domains.host(service) for service in (IDP, MESSAGING)}
            detail = ", ".join(f"{service} {host}" for service, host in hosts.items())
            checks.append(Check(steps[0], True, f"account {number}: {detail}"))

            proof = None
            if mode == "authenticated":
                signer = signer_of(*(signs or (None, None)))
                proof = Proof(signer, f"doctor-{token_hex(16)}", DOCTOR.claims())
            checks.append(Check(steps[1], True, _way(mode, connector, proof)))

            credentials = await IdentityProvider(directory).sign_in(
                number, mode=mode, connector=connector, proof=proof
            )
            checks.append(Check(steps[2], True, _who(credentials)))

            async with Connection.open(
                directory,
                number,
                credentials,
                on_notification=lambda _: None,
                open_timeout=deadline,
                request_timeout=deadline,
            ) as ums:
                await ums.get_clock()
            checks.append(Check(steps[3], True, f"{hosts[MESSAGING]} answers"))
    except LivePersonError as error:
        failed = steps[len(checks)]
        checks.append(Check(failed, False, str(error), error.remedy))
        checks += [
            Check(step, None, f"not looked at: {failed} comes first")
            for step in steps[len(checks) :]
        ]
    return checks


def _way(mode: Mode, connector: str | None, proof: Proof | None) -> str:
    """Say in which way people become consumers, and with what."""
    through = f"connector {connector}" if connector else "the connector is found by itself"
    if proof is not None:
        key = proof.signer.key
        return (
            f"authenticated: people are themselves, signed as {shown(proof.signer.issuer)} "
            f"(RSA, {key.key_size} bits; {through})"
        )
    return {
        "auto": "auto: anonymous where the account has the connector, else sign-up",
        "signup": "sign-up: each conversation is a new consumer's",
    }.get(mode, f"anonymous: each conversation is a new consumer's ({through})")


def _who(credentials: Credentials) -> str:
    if credentials.mode == "signup":
        return f"signed up as consumer {credentials.consumer_id}"
    way = "with a signed identity" if credentials.mode == "authenticated" else "anonymously"
    return (
        f"signed in {way} as consumer {credentials.consumer_id}, connector {credentials.connector}"
    )


async def check_slack(
    token: str | None,
    *,
    api_url: str = SLACK_API_URL,
    scopes: Collection[str] = (),
) -> Check:
    """Ask Slack (`auth.test`) whether the bot token works and has those scopes."""
    name = "Slack token"
    if not token:
        return Check(
            name,
            False,
            "SLACK_BOT_TOKEN is not set.",
            "Copy the Bot User OAuth Token from the Slack app's page, “OAuth & Permissions”.",
        )
    try:
        async with _web_api(api_url) as api:
            found = await identify(api, token)
    except SlackRefused as error:
        if error.code == "organization_token":
            return Check(name, False, str(error), error.remedy)
        return Check(
            name,
            False,
            f"Slack refuses the token ({shown(error.code)}).",
            "Install the app to the workspace again, and copy its new Bot User OAuth Token.",
        )
    except SlackError as error:
        return _not_asked(name, error)
    missing = sorted(set(scopes) - found.scopes)
    if missing:
        return Check(
            name,
            False,
            f"The token lacks the scopes {', '.join(missing)}.",
            "Add them under “OAuth & Permissions” (or use app_manifest.yml) and install it again.",
        )
    return Check(name, True, f"bot {shown(found.bot_name)} in {shown(found.team_name)}")


async def check_installed(
    name: str, token: str, *, api_url: str = SLACK_API_URL, scopes: Collection[str] = ()
) -> Check:
    """Ask Slack (`auth.test`) whether the token of an install works, anywhere."""
    try:
        async with _web_api(api_url) as api:
            found, headers = await api.exchange(token, AUTH_TEST)
    except SlackRefused as error:
        said = f"Slack refuses its token ({shown(error.code)})."
        return Check(name, False, said, "Have the app installed there again, at /slack/install.")
    except SlackError as error:
        return _not_asked(name, error)
    missing = sorted(set(scopes) - scopes_in(headers.get("X-OAuth-Scopes", "")))
    if missing:
        said = f"Its token lacks the scopes {', '.join(missing)}."
        return Check(name, False, said, "Have the app installed there again, at /slack/install.")
    return Check(name, True, f"installed, bot {shown(found.user)}")


async def check_app_token(token: str, *, api_url: str = SLACK_API_URL) -> Check:
    """Ask Slack (`apps.connections.open`) whether the app token works; opens no socket."""
    name = "Slack app token"
    try:
        async with _web_api(api_url) as api:
            await api.call(token, OPEN_CONNECTION)
    except SlackRefused as error:
        said = f"Slack refuses SLACK_APP_TOKEN ({shown(error.code)})."
        return Check(name, False, said, APP_LEVEL_REMEDY)
    except SlackError as error:
        return _not_asked(name, error)
    return Check(name, True, "Socket Mode can connect")


@asynccontextmanager
async def _web_api(api_url: str) -> AsyncIterator[WebApi]:
    """A client for Slack's Web API like the bridge's own, proxies included."""
    async with aiohttp.TCPConnector() as connector, slack_session(connector) as http:
        yield WebApi(http, api_url=api_url, deadline=DEADLINE, proxies=True)


def _not_asked(name: str, error: SlackError) -> Check:
    said = f"Slack cannot be asked: {error}"
    if error.cause:
        said += f" {shown(error.cause)}"
    return Check(name, False, said, "Check the network and SLACK_API_URL.")


def healthy(checks: Sequence[Check]) -> bool:
    """Tell whether nothing is wrong."""
    return all(check.ok is not False for check in checks)


def render(checks: Sequence[Check]) -> str:
    """Write the checks for a terminal, one or two lines each."""
    words = {True: "ok", False: "WRONG", None: "skipped"}
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{words[check.ok]:<8} {check.name:<{width}}  {check.detail}")
        if check.ok is False and check.remedy:
            first, *more = check.remedy.splitlines()
            lines.append(f"{'':<8} {'':<{width}}  → {first}")
            lines += [f"{'':<8} {'':<{width}}    {line.strip()}" for line in more]
    return "\n".join(lines)
