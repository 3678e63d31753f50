"""A person as `users.info` describes them: what others may be told about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bridge.ids import TeamId

PICTURES: Final = ("image_192", "image_512", "image_72", "image_48")
"""The sizes of a picture, the best one first."""


@dataclass(frozen=True, slots=True)
class UserProfile:
    """What Slack tells of a person; an address only with the scope `users:read.email`."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    picture: str | None = None
    title: str | None = None
    team: TeamId | None = None
    """The person's own workspace."""


def user_profile(user: Any) -> UserProfile | None:
    """Read Slack's description of a user; None if it is none."""
    if not isinstance(user, dict):
        return None
    profile = user.get("profile")
    told: Mapping[str, Any] = profile if isinstance(profile, dict) else {}
    first, last = _text(told, "first_name"), _text(told, "last_name")
    whole = _text(told, "real_name") or _text(user, "real_name")
    if first is None and last is None and whole is not None:
        first, _, rest = whole.partition(" ")
        last = rest.strip() or None
    team = _text(user, "team_id")
    return UserProfile(
        name=_text(told, "display_name") or whole or _text(user, "name"),
        first_name=first,
        last_name=last,
        email=_text(told, "email"),
        picture=next((it for size in PICTURES if (it := _address(told, size))), None),
        title=_text(told, "title"),
        team=TeamId(team) if team else None,
    )


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _address(fields: Mapping[str, Any], name: str) -> str | None:
    address = _text(fields, name)
    if address is None:
        return None
    try:
        return address if urlsplit(address).scheme == "https" else None
    except ValueError:
        return None
