"""Settings: the environment and `bridge.toml`, read once into one typed object.

Errors are reported in one message that names every variable concerned. No message repeats a value,
which may be a secret.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

DEFAULT_CONFIG = "bridge.toml"
KEY_COMMAND = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
WHERE = {
    "SLACK_BOT_TOKEN": "your app at api.slack.com/apps → OAuth & Permissions → Bot User OAuth "
    "Token (xoxb-…)",
    "SLACK_SIGNING_SECRET": "your app → Basic Information → App Credentials → Signing Secret; not "
    "needed with SLACK_APP_TOKEN (Socket Mode)",
    "SLACK_CLIENT_ID": "your app → Basic Information → App Credentials → Client ID; needed "
    "together with SLACK_CLIENT_SECRET, for installs in many workspaces (OAuth)",
    "SLACK_CLIENT_SECRET": "your app → Basic Information → App Credentials → Client Secret; needed "
    "together with SLACK_CLIENT_ID",
    "BRIDGE_ENCRYPTION_KEYS": f"make a key with: {KEY_COMMAND}",
}
"""Where a person finds the value of a missing variable."""

_TOKENS = {
    "SLACK_BOT_TOKEN": ("xoxb-", "xoxe.xoxb-"),
    "SLACK_APP_TOKEN": ("xapp-",),
}
_CHANNEL = re.compile(r"#[^\s#@,<>]{1,80}|[CGD][A-Z0-9]{2,}", re.ASCII)
_EMOJI = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8}){0,3}", re.ASCII | re.IGNORECASE)
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)
CommaList = tuple[str, ...]
Auth = Literal["auto", "signup", "anonymous", "authenticated"]
Secret = Annotated[str | None, Field(repr=False)]


class ConfigError(Exception):
    """The configuration cannot be used as it stands; the text says what to change, and where."""


class AccountSettings(BaseModel):
    """The settings of one LivePerson account: `[accounts.NUMBER]` in bridge.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    number: str
    name: str | None = Field(default=None, max_length=80)
    """The account's name for people."""
    alias: str | None = Field(default=None, pattern=r"^[^\s\d]\S*$", max_length=40)
    """A word to type in place of the number; it does not begin with a digit."""
    auth: Auth = "auto"
    """Who people in Slack are to LivePerson: consumers that it makes (`signup`, `anonymous`; `auto`
    takes `anonymous` where the account has the connector), or themselves, as the bridge signs."""
    connector: str | None = None
    issuer: str | None = Field(default=None, min_length=1, max_length=255)
    """`authenticated`: as whom the bridge signs; LivePerson holds the same word."""
    private_key: Secret = None
    """`authenticated`: the file of the key that signs, or the key itself in PEM."""
    skill: str | None = None
    campaign: str | None = None
    engagement: str | None = None
    lang: str | None = None
    """The engagement's language, such as `en-US`."""
    skills: dict[str, str] = Field(default_factory=dict)
    """The teams' names by their skills' ids: LivePerson tells consumers the ids only."""
    satisfaction: bool = True
    """Whether a person is asked after a conversation how it was, unless LivePerson asks itself."""
    files: Literal["auto", "off", "images", "all"] = "auto"
    """What people may send: nothing, pictures, or documents too; `auto`: what LivePerson says."""
    channels: tuple[str, ...] = ()
    """Slack channels where it may be used, as `#name` or id; empty: everywhere.

    A private channel needs its id: Slack calls it `privategroup` in commands instead of its name.
    """

    @property
    def lacks(self) -> list[str]:
        """The settings that `auth` needs, and that are not there."""
        if self.auth != "authenticated":
            return []
        needed = {"`issuer`": self.issuer, "`private_key`": self.private_key}
        return [name for name, value in needed.items() if not value]

    @field_validator("lang")
    @classmethod
    def _is_language(cls, value: str | None) -> str | None:
        if value is not None and not _LANGUAGE.fullmatch(value):
            raise ValueError("must be a language such as `en-US`")
        return value

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for position, channel in enumerate(value, start=1):
            if not _CHANNEL.fullmatch(channel) or (
                channel[0] == "#" and channel.lower() != channel
            ):
                raise ValueError(
                    f"no. {position} is neither a `#name` in small letters nor a channel's id "
                    "(C…, G… or D…)"
                )
        return value


class Settings(BaseModel):
    """All settings. Fields are named like the environment variables.

    Built directly, it ignores the environment (as the demo must): see `load`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(default="sqlite:///lp-bridge.db", repr=False)
    host: str = "0.0.0.0"  # noqa: S104 - a server, and the contract's default
    port: int = Field(default=3000, ge=0, le=65_535)

    slack_bot_token: Secret = None
    slack_signing_secret: Secret = None
    slack_app_token: Secret = None
    slack_client_id: str | None = None
    slack_client_secret: Secret = None
    slack_api_url: str = "https://slack.com/api/"

    liveperson_csds_url: str = "https://api.liveperson.net"
    liveperson_allowed_hosts: CommaList = ("*.liveperson.net", "*.lpsnmedia.net")

    bridge_accounts: CommaList = ()
    bridge_auth: Auth | None = None
    """In place of every account's `auth`, and so on: what an account is used with is `account`."""
    bridge_issuer: str | None = Field(default=None, max_length=255)
    bridge_private_key: Secret = None
    """The file of the key that signs who people are, or the key itself in PEM."""
    bridge_config: Path | None = None
    bridge_encryption_keys: CommaList = Field(default=(), repr=False)
    bridge_worker_id: str | None = Field(default=None, max_length=128)
    bridge_max_sessions: int = Field(default=10_000, ge=1)
    bridge_open_per_person: int = Field(default=10, ge=0)
    """Conversations that one person may have open; 0: any number."""
    bridge_open_per_channel: int = Field(default=100, ge=0)
    """Conversations that one channel may have open; 0: any number."""
    bridge_connects_per_minute: int = Field(default=5, ge=0)
    """Conversations that one person may open within a minute; 0: any number."""
    bridge_lease_seconds: float = Field(default=15.0, ge=1.0)
    bridge_thread_gone_seconds: float = Field(default=86_400.0, ge=0.0)
    """Seconds for which Slack may refuse a thread before its session ends."""
    bridge_card_style: Literal["classic", "rich"] = "classic"
    """How structured content looks: in blocks that every Slack client has, or in newer ones too."""
    bridge_delivered_reaction: str = "heavy_check_mark"
    """What a person's message shows once the agent's device has it: an emoji's name, or nothing."""
    bridge_read_reaction: str = "eyes"
    """Likewise, when the agent has read it."""
    bridge_log_format: Literal["json", "console"] | None = None
    """None: console on a terminal, else json."""
    bridge_log_level: Literal["debug", "info", "warning", "error"] = "info"

    accounts: dict[str, AccountSettings] = Field(default_factory=dict)
    """The accounts' settings by number, from the file that BRIDGE_CONFIG names."""

    @field_validator(
        "liveperson_allowed_hosts", "bridge_accounts", "bridge_encryption_keys", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        """A comma list, spaces around the commas allowed."""
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("bridge_delivered_reaction", "bridge_read_reaction")
    @classmethod
    def _is_emoji(cls, value: str) -> str:
        name = value.strip().strip(":")
        if name.lower() in {"off", "none"}:
            return ""
        if name and not _EMOJI.fullmatch(name):
            raise ValueError("must be an emoji's name, such as eyes, or nothing")
        return name

    @field_validator(
        "bridge_auth", "bridge_card_style", "bridge_log_format", "bridge_log_level", mode="before"
    )
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("bridge_accounts")
    @classmethod
    def _are_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_account(word) for word in value):
            raise ValueError("must be a comma list of account numbers (1 to 20 digits each)")
        return value

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if not _is_address(value) and not _HOST_NAME.fullmatch(value):
            raise ValueError("must be an address of this machine, such as 0.0.0.0 or 127.0.0.1")
        return value

    @field_validator("slack_api_url", "liveperson_csds_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an address like https://host/")
        if parts.scheme == "http" and not _is_local(parts.hostname):
            raise ValueError("must begin with https:// (http:// is for this machine only)")
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        return value if value.endswith("/") else f"{value}/"  # method names are appended to it

    @property
    def encryption_keys(self) -> tuple[str, ...]:
        """Fernet keys, the first encrypts."""
        return self.bridge_encryption_keys

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Patterns of the hosts that CSDS may send us to."""
        return self.liveperson_allowed_hosts

    @property
    def oauth(self) -> tuple[str, str] | None:
        """The client id and secret with which workspaces install the app; None: one token only."""
        if not (self.slack_client_id and self.slack_client_secret):
            return None
        return self.slack_client_id, self.slack_client_secret

    @property
    def uses_postgresql(self) -> bool:
        """Whether DATABASE_URL names a PostgreSQL database."""
        return self.database_url.strip().startswith("postgres")

    def account(self, number: str) -> AccountSettings:
        """The settings of the account `number`, the environment's over the file's."""
        written = self.accounts.get(number) or AccountSettings(number=number)
        over = {
            "auth": self.bridge_auth,
            "issuer": self.bridge_issuer,
            "private_key": self.bridge_private_key,
        }
        given = {name: value for name, value in over.items() if value is not None}
        return written.model_copy(update=given) if given else written

    def find_account(self, text: str) -> AccountSettings | None:
        """The account that someone means by a number or an alias; None: none, or not allowed."""
        word = text.strip()
        number = word
        if not is_account(word):
            found = [a for a in self.accounts.values() if (a.alias or "").lower() == word.lower()]
            if not word or not found:
                return None
            number = found[0].number
        if self.bridge_accounts and number not in self.bridge_accounts:
            return None
        return self.account(number)

    def known_accounts(self) -> list[AccountSettings]:
        """The accounts that are named in BRIDGE_ACCOUNTS or bridge.toml and may be used."""
        numbers = self.bridge_accounts or tuple(self.accounts)
        return [self.account(number) for number in dict.fromkeys(numbers)]

    def require_serve(self) -> None:
        """Raise one `ConfigError` that names every variable which `lp-bridge serve` lacks.

        With OAuth, SLACK_BOT_TOKEN is not needed: workspaces install the app themselves.
        """
        by_oauth = bool(self.slack_client_id or self.slack_client_secret)
        wanted = ["SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"] if by_oauth else ["SLACK_BOT_TOKEN"]
        if self.slack_app_token is None:
            wanted.append("SLACK_SIGNING_SECRET")
        if self.uses_postgresql or by_oauth:
            wanted.append("BRIDGE_ENCRYPTION_KEYS")
        for known in self.known_accounts():
            if lacks := known.lacks:
                raise ConfigError(
                    f"[accounts.{known.number}] auth is “authenticated”, which needs "
                    f"{' and '.join(lacks)} too: see docs/authentication.md."
                )
        missing = [name for name in wanted if not getattr(self, name.lower())]
        if missing:
            raise ConfigError(_missing(missing))
        for name, prefixes in _TOKENS.items():
            token: str | None = getattr(self, name.lower())
            if token and not token.startswith(prefixes):
                hint = WHERE.get(name, "your app → Basic Information → App-Level Tokens")
                raise ConfigError(f"{name} must begin with {prefixes[0]}: see {hint}.")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment, and the file that BRIDGE_CONFIG names (`bridge.toml` if there is one).

    Raise `ConfigError` with one message for all that is wrong.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = environ.get(name.upper(), "").strip()
        if value and name != "accounts":
            values[name] = value
    path = Path(values.get("bridge_config") or DEFAULT_CONFIG)
    if "bridge_config" in values or path.exists():
        values["bridge_config"] = path
        values["accounts"] = read_accounts(path)
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = [
            f"  {str(fault['loc'][0]).upper()}: {_plainly(fault)}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError("\n".join(["The environment cannot be used:", *lines])) from None


def read_accounts(path: Path) -> dict[str, AccountSettings]:
    """Read the accounts in a bridge.toml. Raise `ConfigError`."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}. It is what BRIDGE_CONFIG names "
            f"(by default {DEFAULT_CONFIG}, if there is one)."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    faults = [f"[{key}] is not known; there is only [accounts.NUMBER]" for key in document]
    faults = [fault for fault in faults if not fault.startswith("[accounts]")]
    accounts: dict[str, AccountSettings] = {}
    tables = document.get("accounts", {})
    if not isinstance(tables, dict):
        tables, faults = {}, [*faults, "accounts must be tables: [accounts.NUMBER]"]
    for number, table in tables.items():
        accounts.update(_account(number, table, path.parent, faults))
    aliases = [account.alias.lower() for account in accounts.values() if account.alias]
    twice = sorted({alias for alias in aliases if aliases.count(alias) > 1})
    faults += [f"alias {alias!r} is given to more than one account" for alias in twice]
    if faults:
        raise ConfigError("\n".join([f"{path} cannot be used:", *(f"  {it}" for it in faults)]))
    return accounts


def is_account(text: str) -> bool:
    """Whether `text` is an account number: 1 to 20 ASCII digits."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def is_pem(text: str) -> bool:
    """Whether this is a key rather than the name of its file."""
    return text.lstrip().startswith("-----BEGIN")


def _account(
    number: str, table: Any, folder: Path, faults: list[str]
) -> dict[str, AccountSettings]:
    where = f"[accounts.{number}]"
    if not is_account(number):
        faults.append(f"{where}: an account number has 1 to 20 digits")
        return {}
    if not isinstance(table, dict) or "number" in table:
        faults.append(f"{where}: write it as a table; the number is in its name already")
        return {}
    key = table.get("private_key")
    if isinstance(key, str) and not is_pem(key):
        table = {**table, "private_key": str(folder / Path(key).expanduser())}
    try:
        return {number: AccountSettings(number=number, **table)}
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            names = ".".join(str(part) for part in fault["loc"])
            faults.append(f"{where} {names}: {_plainly(fault)}")
        return {}


def _missing(names: list[str]) -> str:
    lines = [f"  {name}: {WHERE[name]}" for name in names]
    return "\n".join(
        [
            "These environment variables are missing:",
            *lines,
            "(To look around without Slack: lp-bridge demo.)",
        ]
    )


_PLAINLY = {
    "extra_forbidden": "is not known",
    "string_pattern_mismatch": "must be one word that begins with no digit",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number, and not so long a one",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
}
"""Plain names for pydantic's kinds of errors."""


def _plainly(fault: ErrorDetails) -> str:
    said = _PLAINLY.get(fault["type"])
    if said is None:
        return fault["msg"].removeprefix("Value error, ")
    return said.format(**fault.get("ctx", {}))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    """Whether a host is this machine, in a private network, or a name without a domain."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(".localhost")
    return address.is_loopback or address.is_private
