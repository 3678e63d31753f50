"""LivePerson's errors, explained for the person in the thread.

The library's own texts are for operators: they name settings and close codes, and go to the log,
`lp-bridge doctor` and `lp-bridge chat`. Here is what the same errors mean to somebody in Slack.
"""

from __future__ import annotations

from dataclasses import dataclass

_ASK = "Ask whoever runs the bridge to look at it."
_CHECK = "Ask whoever runs the bridge to check this account."
_WAIT = "It is being tried again."


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened, and what to do: one plain sentence each."""

    what: str
    remedy: str

    def __str__(self) -> str:
        """Both sentences, as the card shows them."""
        return f"{self.what} {self.remedy}"


_TROUBLES = {
    "account_not_found": Trouble(
        "LivePerson does not know this account.", "Check the number and try again."
    ),
    "host_not_allowed": Trouble(
        "LivePerson names an address for this account that the bridge does not trust.", _ASK
    ),
    "service_missing": Trouble("Messaging is not set up for this account.", _CHECK),
    "connector_missing": Trouble("This account does not take unknown visitors.", _CHECK),
    "sign_in_refused": Trouble("LivePerson does not let the bridge sign in here.", _CHECK),
    "sign_in_rejected": Trouble("LivePerson does not accept how the bridge signs in here.", _CHECK),
    "key_unusable": Trouble(
        "The bridge has no key that works to say who you are for this account.", _CHECK
    ),
    "identity_lost": Trouble(
        "The sign-in for this conversation has run out, and LivePerson gives no second one.",
        "Start again to go on in a new conversation.",
    ),
    "socket_refused": Trouble("LivePerson does not open a connection for this account.", _CHECK),
    "cut_at_once": Trouble("LivePerson closes the connection as soon as it is open.", _CHECK),
    "protocol_violation": Trouble(
        "LivePerson sends what the bridge cannot take: it is far too much, or broken.", _CHECK
    ),
    "request_refused": Trouble(
        "LivePerson did not accept it.", "Change it and send it again, or ask who runs the bridge."
    ),
    "domains_unavailable": Trouble("LivePerson's directory does not answer.", _WAIT),
    "sign_in_unavailable": Trouble("LivePerson's sign-in does not answer.", _WAIT),
    "throttled": Trouble("LivePerson asks the bridge to slow down.", _WAIT),
    "server_failed": Trouble("LivePerson has trouble of its own.", _WAIT),
    "request_timeout": Trouble("LivePerson does not answer.", _WAIT),
}
_UNREACHABLE = Trouble("LivePerson cannot be reached.", _WAIT)


def trouble(code: str, inner: str | None = None) -> Trouble:
    """Say what an error's `code` (`bridge.liveperson.errors`) means to a person.

    `inner`: LivePerson's own number for it, by which whoever runs the bridge can look for it.
    """
    found = _TROUBLES.get(code, _UNREACHABLE)
    if inner is None:
        return found
    return Trouble(f"{found.what[:-1]} (its error {inner}).", found.remedy)
