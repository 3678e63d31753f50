"""One of each kind of request that Slack documents, in the shapes that its SDKs' samples have.

`{T}` stands for the team, `{URL}` for a response_url.
"""

from __future__ import annotations

import json
from typing import Any, Final

Sample = dict[str, Any]

_TEAM: Final = {"id": "{T}", "domain": "workspace"}
_USER: Final = {"id": "U0ANA", "username": "ana", "name": "ana", "team_id": "{T}"}
_CHANNEL: Final = {"id": "C0SUPPORT", "name": "support"}
_SECRET: Final = "Zaubernuss"
"""A word of a person, which no log may contain."""
_COMMON: Final = {
    "team": _TEAM,
    "user": _USER,
    "api_app_id": "A0BRIDGE",
    "token": "legacy",
    "trigger_id": "13345224609.738474920.8088930838d88f008e0",
}
_ORG: Final = {
    **_COMMON,
    "team": None,
    "enterprise": {"id": "E0ORG", "name": "An organization"},
    "is_enterprise_install": True,
}
_MESSAGE: Final = {
    "type": "message",
    "user": "U0BEN",
    "ts": "1700000000.000100",
    "text": _SECRET,
    "thread_ts": "1700000000.000100",
}
_VIEW: Final = {
    "id": "V0VIEW",
    "team_id": "{T}",
    "type": "modal",
    "callback_id": "a_modal",
    "private_metadata": "",
    "hash": "1700000000.abc",
    "app_id": "A0BRIDGE",
    "app_installed_team_id": "{T}",
    "bot_id": "B0BRIDGE",
    "root_view_id": "V0VIEW",
    "previous_view_id": None,
    "blocks": [{"type": "input", "block_id": "b"}],
    "title": {"type": "plain_text", "text": "Title"},
    "state": {"values": {"b": {"a": {"type": "plain_text_input", "value": _SECRET}}}},
}
_IN_MESSAGE: Final = {
    "channel": _CHANNEL,
    "container": {
        "type": "message",
        "message_ts": "1700000000.000100",
        "channel_id": "C0SUPPORT",
        "is_ephemeral": False,
        "thread_ts": "1700000000.000100",
    },
    "message": _MESSAGE,
    "state": {"values": {}},
    "response_url": "{URL}",
}
_STEP: Final = {"workflow_id": "W0", "step_id": "S0", "inputs": {}, "outputs": []}


def _press(**action: Any) -> Sample:
    return {
        "type": "block_actions",
        **_COMMON,
        **_IN_MESSAGE,
        "actions": [{"block_id": "b", "action_ts": "1700000001.000200", **action}],
    }


def _event(**fields: Any) -> Sample:
    return {
        "type": "event_callback",
        "token": "legacy",
        "team_id": "{T}",
        "api_app_id": "A0BRIDGE",
        "event": {"event_ts": "1700000001.000200", **fields},
        "event_id": "Ev1",
        "event_time": 1_700_000_001,
        "authorizations": [
            {"enterprise_id": None, "team_id": "{T}", "user_id": "U0BRIDGE", "is_bot": True}
        ],
        "is_ext_shared_channel": False,
        "event_context": "4-abc",
    }


def _message(**fields: Any) -> Sample:
    found = {"type": "message", "channel": "C0SUPPORT", "channel_type": "channel", **fields}
    return _event(**{"ts": "1700000001.000200", "team": "{T}", **found})


_COMMAND: Final = {
    "token": "legacy",
    "team_id": "{T}",
    "team_domain": "workspace",
    "channel_id": "C0SUPPORT",
    "channel_name": "support",
    "user_id": "U0ANA",
    "user_name": "ana",
    "command": "/lp",
    "text": "list",
    "api_app_id": "A0BRIDGE",
    "is_enterprise_install": "false",
    "response_url": "{URL}",
    "trigger_id": "13345224609.738474920.8088930838d88f008e0",
}

INTERACTIONS: Final[dict[str, Sample]] = {
    "button of ours": _press(type="button", action_id="lp_end", value="s1"),
    "button again": _press(type="button", action_id="lp_again", value="12345678"),
    "button unknown": _press(type="button", action_id="older", value=_SECRET),
    "button link": _press(type="button", action_id="x", url="https://example.com/"),
    "select": _press(
        type="static_select", action_id="s", selected_option={"value": "v", "text": {}}
    ),
    "select users": _press(type="users_select", action_id="s", selected_user="U0BEN"),
    "multi select": _press(type="multi_static_select", action_id="s", selected_options=[]),
    "date": _press(type="datepicker", action_id="d", selected_date=None),
    "checkboxes": _press(type="checkboxes", action_id="c", selected_options=[]),
    "overflow": _press(type="overflow", action_id="o", selected_option={"value": "v"}),
    "text input": _press(type="plain_text_input", action_id="t", value=_SECRET),
    "file input": _press(type="file_input", action_id="f", files=[{"id": "F0"}]),
    "button in a modal": {
        "type": "block_actions",
        **_COMMON,
        "container": {"type": "view", "view_id": "V0VIEW"},
        "view": _VIEW,
        "actions": [{"action_id": "x", "block_id": "b", "type": "button", "value": _SECRET}],
    },
    "button in the home": {
        "type": "block_actions",
        **_COMMON,
        "view": {**_VIEW, "type": "home", "callback_id": ""},
        "actions": [{"action_id": "x", "block_id": "b", "type": "button"}],
    },
    "button in an organization": {
        "type": "block_actions",
        **_ORG,
        **_IN_MESSAGE,
        "actions": [{"action_id": "lp_end", "block_id": "b", "type": "button", "value": "s1"}],
    },
    "button of a function": {
        **_press(type="button", action_id="x"),
        "function_data": {"execution_id": "Fx0", "function": {"callback_id": "f"}, "inputs": {}},
        "bot_access_token": "xwfp-1",
    },
    "view submission": {"type": "view_submission", **_COMMON, "view": _VIEW, "response_urls": []},
    "view submission with addresses": {
        "type": "view_submission",
        **_COMMON,
        "view": _VIEW,
        "response_urls": [
            {"block_id": "b", "action_id": "a", "channel_id": "C0", "response_url": "{URL}"},
            {"block_id": "c", "action_id": "a", "channel_id": "C0", "response_url": "{URL}"},
        ],
    },
    "view submission in an organization": {"type": "view_submission", **_ORG, "view": _VIEW},
    "view closed": {"type": "view_closed", **_COMMON, "view": _VIEW, "is_cleared": False},
    "shortcut": {"type": "shortcut", **_COMMON, "callback_id": "s", "action_ts": "1.2"},
    "shortcut in an organization": {"type": "shortcut", **_ORG, "callback_id": "s"},
    "message shortcut": {
        "type": "message_action",
        **_COMMON,
        "callback_id": "m",
        "channel": _CHANNEL,
        "message_ts": "1700000000.000100",
        "message": _MESSAGE,
        "response_url": "{URL}",
        "action_ts": "1.2",
    },
    "suggestion": {
        "type": "block_suggestion",
        **_COMMON,
        "container": {"type": "view", "view_id": "V0VIEW"},
        "view": _VIEW,
        "action_id": "a",
        "block_id": "b",
        "value": _SECRET,
    },
    "dialog suggestion": {
        "type": "dialog_suggestion",
        **_COMMON,
        "channel": _CHANNEL,
        "callback_id": "d",
        "name": "field",
        "value": _SECRET,
    },
    "dialog submission": {
        "type": "dialog_submission",
        **_COMMON,
        "channel": _CHANNEL,
        "callback_id": "d",
        "submission": {"comment": _SECRET},
        "state": _SECRET,
        "response_url": "{URL}",
    },
    "dialog cancellation": {
        "type": "dialog_cancellation",
        **_COMMON,
        "channel": _CHANNEL,
        "callback_id": "d",
        "response_url": "{URL}",
    },
    "attachment button": {
        "type": "interactive_message",
        **_COMMON,
        "actions": [{"name": "game", "type": "button", "value": _SECRET}],
        "callback_id": "c",
        "channel": _CHANNEL,
        "attachment_id": "1",
        "message_ts": "1700000000.000100",
        "original_message": _MESSAGE,
        "response_url": "{URL}",
    },
    "attachment menu": {
        "type": "interactive_message",
        **_COMMON,
        "actions": [{"name": "m", "type": "select", "selected_options": [{"value": "v"}]}],
        "callback_id": "c",
        "channel": _CHANNEL,
        "response_url": "{URL}",
    },
    "workflow step edit": {
        "type": "workflow_step_edit",
        **_COMMON,
        "callback_id": "w",
        "workflow_step": _STEP,
    },
    "workflow step save": {
        "type": "view_submission",
        **_COMMON,
        "workflow_step": {**_STEP, "workflow_step_edit_id": "e"},
        "view": {**_VIEW, "type": "workflow_step"},
    },
    "something new": {"type": "something_new", **_COMMON, "words": _SECRET},
}

EVENTS: Final[dict[str, Sample]] = {
    "message in a thread": _message(user="U0ANA", text=_SECRET, thread_ts="1700000000.000100"),
    "message": _message(user="U0ANA", text=_SECRET),
    "message with a file": _message(
        subtype="file_share",
        user="U0ANA",
        text=_SECRET,
        thread_ts="1700000000.000100",
        files=[{"id": "F0", "name": _SECRET}],
    ),
    "message changed": _message(
        subtype="message_changed",
        hidden=True,
        message={**_MESSAGE, "edited": {"user": "U0ANA", "ts": "1.2"}},
        previous_message=_MESSAGE,
    ),
    "message deleted": _message(
        subtype="message_deleted",
        hidden=True,
        deleted_ts="1700000000.000100",
        previous_message=_MESSAGE,
    ),
    "bot message": _message(subtype="bot_message", bot_id="B0", text=_SECRET),
    "channel join": _message(subtype="channel_join", user="U0ANA", text=_SECRET),
    "mention": _event(
        type="app_mention", user="U0ANA", text=_SECRET, channel="C0SUPPORT", ts="1700000001.000200"
    ),
    "home opened": _event(type="app_home_opened", user="U0ANA", channel="D0", tab="home"),
    "reaction": _event(
        type="reaction_added",
        user="U0ANA",
        reaction="eyes",
        item={"type": "message", "channel": "C0SUPPORT", "ts": "1700000000.000100"},
    ),
    "channel renamed": _event(
        type="channel_rename", channel={"id": "C0SUPPORT", "name": _SECRET, "created": 1}
    ),
    "member joined": _event(
        type="member_joined_channel", user="U0ANA", channel="C0SUPPORT", team="{T}"
    ),
    "team joined": _event(type="team_join", user={"id": "U0NEW", "team_id": "{T}"}),
    "user changed": _event(type="user_change", user={"id": "U0ANA", "team_id": "{T}"}),
    "file shared": _event(type="file_shared", file_id="F0", user_id="U0ANA", channel_id="C0"),
    "link shared": _event(type="link_shared", user="U0ANA", links=[{"url": "https://x.example"}]),
    "workflow step": _event(
        type="workflow_step_execute", callback_id="w", workflow_step={"workflow_step_execute_id": 1}
    ),
    "function": _event(
        type="function_executed",
        function={"id": "Fn0", "callback_id": "f"},
        inputs={"text": _SECRET},
        function_execution_id="Fx0",
        bot_access_token="xwfp-1",
    ),
    "assistant": _event(
        type="assistant_thread_started",
        assistant_thread={"user_id": "U0ANA", "channel_id": "D0", "thread_ts": "1.2"},
    ),
    "metadata": _event(
        type="message_metadata_posted", user_id="U0ANA", metadata={"event_type": "x"}
    ),
    "uninstalled": _event(type="app_uninstalled"),
    "tokens revoked": _event(type="tokens_revoked", tokens={"oauth": ["U0ANA"], "bot": ["U0B"]}),
    "shared channel": {
        **_event(type="app_mention", user="U0EXT", user_team="T0OTHER", text=_SECRET),
        "is_ext_shared_channel": True,
        "context_team_id": "{T}",
        "context_enterprise_id": None,
    },
    "rate limited": {
        "type": "app_rate_limited",
        "token": "legacy",
        "team_id": "{T}",
        "minute_rate_limited": 1_700_000_000,
        "api_app_id": "A0BRIDGE",
    },
}

COMMANDS: Final[dict[str, Sample]] = {
    "list": _COMMAND,
    "connect": {**_COMMAND, "text": f"connect {_SECRET}"},
    "no words": {**_COMMAND, "text": ""},
    "another command": {**_COMMAND, "command": "/other", "text": _SECRET},
    "command in an organization": {
        **_COMMAND,
        "enterprise_id": "E0ORG",
        "enterprise_name": "An organization",
        "is_enterprise_install": "true",
    },
    "command in a private channel": {**_COMMAND, "channel_name": "privategroup"},
}

SAMPLES: Final[dict[str, Sample]] = {**INTERACTIONS, **EVENTS, **COMMANDS}
SECRET_WORD: Final = _SECRET


def filled(sample: Sample, *, team: str, url: str) -> Sample:
    """A sample of this team, whose answers go to this address."""
    text = json.dumps(sample).replace("{T}", team).replace("{URL}", url)
    found: Sample = json.loads(text)
    return found
