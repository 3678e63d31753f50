"""Logs: JSON lines for machines, colours on a terminal, and no secret in either.

Everything passes through here: our own events (structlog) and those of libraries (stdlib logging).
Redaction comes last and includes tracebacks. It is a safety net: no code should log secrets.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_DEPTH = 6
"""Deeper structures are logged as text."""
CHATTY = ("aiohttp.access", "aiosqlite", "alembic", "psycopg", "slack_bolt", "sqlalchemy")
"""Libraries that log much at `info`, or every call at `debug`."""

_WORDS = (
    r"access_token|api_key|authorization|client_secret|cookie|credentials?|external_token|jwt|"
    r"password|refresh_token|response_url|secret|signature|signing_secret|ticket|token"
)
_SECRET_NAME = re.compile(rf"(?i)(?:^|[_-])(?:{_WORDS}|encryption_keys?)$")
_SECRET_TEXTS = (
    # Slack's tokens: https://docs.slack.dev/authentication/tokens
    (re.compile(r"\bx(?:ox[a-z]|app)[-.][\w.%-]+"), REDACTED),
    # JSON Web Tokens: a JSON object in base64 begins with eyJ.
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}"), REDACTED),
    # Fernet tokens (version byte 0x80, then a time).
    (re.compile(r"\bgAAAAA[\w=-]{20,}"), REDACTED),
    (re.compile(r"(?i)\b(bearer|jwt)\s+[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    # Answer addresses of commands: anybody who knows one may post to it.
    (re.compile(r"https://hooks\.slack(?:-gov)?\.com/[^\s\"'<>]+"), REDACTED),
    # Passwords in addresses.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"':]*:[^\s/@\"']*@"), rf"\1{REDACTED}@"),
    # name=value of a query, "name": "value" of JSON or of a repr.
    (
        re.compile(
            rf"(?i)((?:\b|[_-])(?:{_WORDS})[\"']?\s*(?:=|[\"']\s*:)\s*[\"']?)"
            r"(?!\[redacted)[^\s\"'&,;)}\]]+"
        ),
        rf"\1{REDACTED}",
    ),
)


def redact(text: str) -> str:
    """Replace everything in `text` that looks like a secret."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def redact_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Redact an event: every text in it, and whole values whose key names a secret."""
    return {key: _value(key, value, _DEPTH) for key, value in event.items()}


def _value(key: object, value: Any, depth: int) -> Any:
    if isinstance(key, str) and _SECRET_NAME.search(key) and value not in (None, "", False, True):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if depth and isinstance(value, Mapping):
        return {redact(str(k)): _value(k, v, depth - 1) for k, v in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_value(None, item, depth - 1) for item in value]
    return redact(str(value) if isinstance(value, BaseException) else repr(value))


def configure(
    form: Literal["json", "console"] | None = None,
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> None:
    """Send all logs to stderr; as `console` on a terminal and `json` elsewhere, unless told."""
    if form is None:
        form = "console" if sys.stderr.isatty() else "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_event,
                _console() if form == "console" else structlog.processors.JSONRenderer(_encode),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    # It logs each broken connection as an error with a traceback. The code that used the connection
    # reports that too, once and in a sentence.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _encode(event: EventDict, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
