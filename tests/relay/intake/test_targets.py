"""From what a person typed to an account, or a refusal that says what to type."""

from __future__ import annotations

import pytest

from bridge.config import AccountSettings, Settings
from bridge.ids import ChannelId, TeamId, UserId
from bridge.relay.intake.targets import Target, accounts_for, resolve
from bridge.slack.port import ConnectCommand, Refused

SUPPORT = ChannelId("C0SUPPORT")
PRIVATE = ChannelId("G0PRIVATE")

SETTINGS = Settings(
    accounts={
        "12345678": AccountSettings(
            number="12345678", name="Telecom", alias="telecom", channels=("#support", PRIVATE)
        ),
        "87654321": AccountSettings(number="87654321"),
    }
)


def typed(text: str, *, channel: ChannelId = SUPPORT, name: str = "support") -> ConnectCommand:
    return ConnectCommand(
        team=TeamId("T"),
        channel=channel,
        user=UserId("U"),
        target=text,
        request_key="k",
        channel_name=name,
    )


@pytest.mark.parametrize("text", ["12345678", " 12345678 ", "telecom", "Telecom"])
def test_a_number_or_an_alias_is_found(text: str) -> None:
    found = resolve(SETTINGS, typed(text))
    assert found == Target(account=found.account, label="Telecom")  # type: ignore[union-attr]
    assert isinstance(found, Target)
    assert found.account == "12345678"


def test_a_private_channel_is_named_by_its_id() -> None:
    asked = typed("telecom", channel=PRIVATE, name="privategroup")
    assert isinstance(resolve(SETTINGS, asked), Target)


def test_an_account_of_other_channels_is_refused() -> None:
    asked = typed("telecom", channel=ChannelId("C0OTHER"), name="other")
    refused = resolve(SETTINGS, asked)
    assert isinstance(refused, Refused)
    assert "Telecom" in refused.text


def test_any_account_may_be_named_unless_they_are_listed() -> None:
    assert isinstance(resolve(SETTINGS, typed("99999999")), Target)
    listed = SETTINGS.model_copy(update={"bridge_accounts": ("87654321",)})
    assert isinstance(resolve(listed, typed("99999999")), Refused)
    assert isinstance(resolve(listed, typed("telecom")), Refused)
    assert isinstance(resolve(listed, typed("87654321")), Target)


def test_what_is_shown_is_what_can_be_used() -> None:
    here = accounts_for(SETTINGS, SUPPORT, "support")
    assert [info.account for info in here.named] == ["12345678", "87654321"]
    assert here.others
    elsewhere = accounts_for(SETTINGS, ChannelId("C0OTHER"), "other")
    assert [info.account for info in elsewhere.named] == ["87654321"]
    listed = SETTINGS.model_copy(update={"bridge_accounts": ("87654321",)})
    assert not accounts_for(listed, SUPPORT, "support").others
