"""The faults of a chaos run: everything that the stand-ins can do to a bridge, by its occasion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

PUBLISH: Final = "ms.PublishEvent"

Side = Literal["liveperson", "slack"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a stand-in by its name there; the runner adds the session's own conversation or
    channel, so that it touches that session."""

    side: Side
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    scope: Literal["session", "all"] = "session"

    @property
    def kind(self) -> str:
        """What the final table counts it as."""
        detail = [
            str(self.params[key]) for key in ("service", "status", "code") if key in self.params
        ]
        what = self.params.get("type") or self.params.get("method") or ""
        done = "done" if self.params.get("done") or self.params.get("at_once") else ""
        words = [self.side, self.name, str(what), *detail, done]
        return " ".join(word for word in words if word)


UP_FAULTS: Final = (
    Fault("liveperson", "drop_before", {"type": PUBLISH}),
    Fault("liveperson", "swallow_answer", {"type": PUBLISH, "drop": True}),
    Fault("liveperson", "swallow_answer", {"type": PUBLISH, "drop": False}),
    Fault("liveperson", "slow_answer", {"type": PUBLISH, "seconds": 1.0}),
    Fault("liveperson", "refuse_request", {"type": PUBLISH, "code": 429}),
    Fault("liveperson", "refuse_request", {"type": PUBLISH, "code": 500}),
    Fault("liveperson", "refuse_request", {"type": PUBLISH, "code": 503}),
    Fault("liveperson", "drop_sockets"),
    Fault("liveperson", "close_sockets", {"code": 1001}),
    Fault("liveperson", "close_sockets", {"code": 1011}),
    Fault("slack", "redeliver", {"at_once": False}, "all"),
    Fault("slack", "redeliver", {"at_once": True}, "all"),
)
ANONYMOUS_FAULTS: Final = (
    Fault("liveperson", "expire_tokens"),
    Fault("liveperson", "close_sockets", {"code": 4401}),
    Fault("liveperson", "close_sockets", {"code": 4407}),
)
DOWN_FAULTS: Final = (
    Fault("liveperson", "lose_notifications"),
    Fault("liveperson", "duplicate_notifications"),
    Fault("liveperson", "delay_notifications", {"seconds": 0.5}),
    Fault("liveperson", "reorder_notifications", {"seconds": 1.0}),
    Fault("liveperson", "batch_notifications", {"size": 3, "seconds": 1.0}),
    Fault("slack", "rate_limit", {"method": "chat.postMessage", "retry_after": 2}),
    Fault("slack", "server_error", {"method": "chat.postMessage", "done": False}),
    Fault("slack", "server_error", {"method": "chat.postMessage", "done": True}),
    Fault("slack", "drop", {"method": "chat.postMessage"}),
    Fault("slack", "lost_answer", {"method": "chat.postMessage"}),
    Fault("slack", "server_error", {"method": "chat.update", "done": False}),
    Fault("slack", "server_error", {"method": "conversations.replies", "done": False}),
)
SLOW_UP_FAULTS: Final = (Fault("liveperson", "half_open"),)
"""Faults that the bridge notices only by a deadline of 15 seconds or more."""
SLOW_DOWN_FAULTS: Final = (Fault("slack", "timeout", {"method": "chat.postMessage"}),)
NOTIFICATION_FAULTS: Final = frozenset(
    fault.name for fault in DOWN_FAULTS if fault.name.endswith("_notifications")
)
"""Without `Size.manners` these are for the message that they were set for, never for a replay."""
REPLAY_FAULTS: Final = (
    Fault("liveperson", "lose_replays"),
    Fault("liveperson", "cut_replays", {"keep": 1}),
    Fault("liveperson", "delay_replays", {"seconds": 0.7}),
    Fault("liveperson", "delay_replays", {"seconds": 1.5}),
    Fault("liveperson", "drop_sockets"),
)
"""What a subscription shows of the past comes late or not at all; each needs a reason to read."""
OPENING_FAULTS: Final = (
    Fault(
        "liveperson",
        "swallow_answer",
        {"type": "cm.ConsumerRequestConversation", "drop": True},
        "all",
    ),
    Fault("liveperson", "drop_before", {"type": "cm.ConsumerRequestConversation"}, "all"),
    Fault(
        "liveperson",
        "refuse_request",
        {"type": "cm.ConsumerRequestConversation", "code": 429},
        "all",
    ),
    Fault("slack", "lost_answer", {"method": "chat.postMessage"}, "all"),
    Fault("slack", "server_error", {"method": "chat.postMessage", "done": False}, "all"),
)
GENERAL_FAULTS: Final = (
    Fault("liveperson", "drop_sockets", {}, "all"),
    Fault("liveperson", "close_sockets", {"code": 1001}, "all"),
    Fault("liveperson", "http_status", {"service": "ums", "status": 503, "times": 5}, "all"),
    Fault("liveperson", "http_status", {"service": "ums", "status": 429, "times": 5}, "all"),
    Fault("liveperson", "http_status", {"service": "idp", "status": 503, "times": 3}, "all"),
    Fault("liveperson", "http_status", {"service": "csds", "status": 503, "times": 2}, "all"),
    Fault("liveperson", "http_status", {"service": "accdn", "status": 500, "times": 2}, "all"),
    Fault("liveperson", "http_reset", {"service": "ums", "times": 3}, "all"),
    Fault("liveperson", "http_reset", {"service": "idp", "times": 2}, "all"),
    Fault("liveperson", "drop_before", {"type": "ms.SubscribeMessagingEvents", "times": 3}, "all"),
    Fault(
        "liveperson", "refuse_request", {"type": "ms.SubscribeMessagingEvents", "code": 503}, "all"
    ),
    Fault(
        "liveperson", "refuse_request", {"type": "ms.SubscribeMessagingEvents", "code": 429}, "all"
    ),
    Fault("liveperson", "drop_before", {"type": "cqm.SubscribeExConversations", "times": 2}, "all"),
    Fault("liveperson", "swallow_answer", {"type": PUBLISH, "drop": True, "times": 5}, "all"),
    Fault("slack", "rate_limit", {"method": "chat.*", "retry_after": 1, "times": 5}, "all"),
    Fault("slack", "server_error", {"method": "chat.*", "done": True, "times": 5}, "all"),
    Fault("slack", "drop", {"method": "chat.*", "times": 5}, "all"),
)
SLOW_GENERAL_FAULTS: Final = (
    Fault("liveperson", "http_status", {"service": "idp", "status": 429, "times": 3}, "all"),
    Fault("liveperson", "half_open", {}, "all"),
    Fault("liveperson", "half_open_next", {"times": 2}, "all"),
)
