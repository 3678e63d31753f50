"""The configuration: defaults, what people write, and one message for all that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.config import ConfigError, Settings, load

NO_HOST = "must be an address of this machine, such as 0.0.0.0 or 127.0.0.1"
NO_HOSTS = ["a..b", ".", "a b", "http://a", "a:1", "[::1]", "x" * 64, "a." * 130, "é.example"]
SERVE = {"SLACK_BOT_TOKEN": "xoxb-secret", "SLACK_SIGNING_SECRET": "signing-secret"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from a bridge.toml that someone may have in the project."""
    monkeypatch.chdir(tmp_path)


def toml(text: str, path: str = "bridge.toml") -> None:
    Path(path).write_text(text)


def test_defaults_are_the_contracts() -> None:
    settings = load({})

    assert settings.database_url == "sqlite:///lp-bridge.db"
    assert (settings.host, settings.port) == ("0.0.0.0", 3000)
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.liveperson_csds_url == "https://api.liveperson.net"
    assert settings.allowed_hosts == ("*.liveperson.net", "*.lpsnmedia.net")
    assert settings.bridge_max_sessions == 10_000
    assert settings.bridge_lease_seconds == 15.0
    assert (settings.bridge_log_format, settings.bridge_log_level) == (None, "info")
    assert settings.encryption_keys == ()
    assert settings.accounts == {}
    assert settings.bridge_worker_id is None


def test_the_environment_is_read() -> None:
    settings = load(
        {
            **SERVE,
            "PORT": "0",
            "DATABASE_URL": "postgres://u:p@h/d",
            "BRIDGE_ACCOUNTS": "12345678, 87654321,",
            "BRIDGE_ENCRYPTION_KEYS": "one,two",
            "BRIDGE_LOG_LEVEL": "WARNING",
            "BRIDGE_LOG_FORMAT": "Console",
            "SLACK_API_URL": "http://127.0.0.1:9/api",
            "BRIDGE_WORKER_ID": "  a ",
            "HOST": "",
        }
    )

    assert settings.port == 0
    assert settings.bridge_accounts == ("12345678", "87654321")
    assert settings.encryption_keys == ("one", "two")
    assert settings.bridge_log_level == "warning"
    assert settings.bridge_log_format == "console"
    assert settings.slack_api_url == "http://127.0.0.1:9/api/"
    assert settings.bridge_worker_id == "a"
    assert settings.host == "0.0.0.0"
    assert settings.uses_postgresql


def test_shows_no_secret_and_cannot_be_changed() -> None:
    settings = load(
        {
            **SERVE,
            "SLACK_APP_TOKEN": "xapp-secret",
            "SLACK_CLIENT_SECRET": "client-secret",
            "DATABASE_URL": "postgresql://u:db-secret@h/d",
            "BRIDGE_ENCRYPTION_KEYS": "key-secret",
        }
    )

    assert "secret" not in repr(settings).replace("slack_client_secret", "")
    with pytest.raises(ValidationError):
        settings.port = 1


def test_one_message_names_every_missing_variable_and_where_to_get_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load({"DATABASE_URL": "postgres://h/d"}).require_serve()

    message = str(caught.value)
    for name, where in (
        ("SLACK_BOT_TOKEN", "OAuth & Permissions"),
        ("SLACK_SIGNING_SECRET", "Basic Information"),
        ("BRIDGE_ENCRYPTION_KEYS", "Fernet.generate_key"),
    ):
        line = next(line for line in message.splitlines() if line.strip().startswith(name))
        assert where in line


@pytest.mark.parametrize("name", ["SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"])
def test_oauth_needs_both_of_its_secrets_and_keys(name: str) -> None:
    [other] = {"SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"} - {name}
    settings = load({**SERVE, name: "hidden"})
    with pytest.raises(ConfigError) as caught:
        settings.require_serve()
    assert f"  {other}: " in str(caught.value)
    assert "  BRIDGE_ENCRYPTION_KEYS: " in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert settings.oauth is None


@pytest.mark.parametrize(
    "environ",
    [
        SERVE,
        {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"},
        {"SLACK_BOT_TOKEN": "xoxe.xoxb-1-rotated", "SLACK_APP_TOKEN": "xapp-1"},
        {**SERVE, "DATABASE_URL": "postgresql://h/d", "BRIDGE_ENCRYPTION_KEYS": "k"},
        {
            "SLACK_CLIENT_ID": "1.2",
            "SLACK_CLIENT_SECRET": "s",
            "SLACK_SIGNING_SECRET": "s",
            "BRIDGE_ENCRYPTION_KEYS": "k",
        },
    ],
)
def test_a_complete_environment_is_enough_to_serve(environ: dict[str, str]) -> None:
    load(environ).require_serve()


@pytest.mark.parametrize(
    ("name", "value"), [("SLACK_BOT_TOKEN", "xoxp-secret"), ("SLACK_APP_TOKEN", "xoxb-secret")]
)
def test_token_of_another_kind_is_noticed_without_repeating_it(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must begin with xo|xapp") as caught:
        load({**SERVE, name: value}).require_serve()
    assert "secret" not in str(caught.value)


def test_one_message_for_all_that_is_wrong_without_repeating_values() -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            {
                "PORT": "secret1",
                "BRIDGE_ACCOUNTS": "12345678,secret2",
                "BRIDGE_LOG_LEVEL": "secret3",
                "LIVEPERSON_CSDS_URL": "http://csds.example.com",
                "SLACK_API_URL": "ftp://secret4",
                "BRIDGE_LEASE_SECONDS": "0",
            }
        )

    message = str(caught.value)
    assert "secret" not in message
    names = (
        "PORT BRIDGE_ACCOUNTS BRIDGE_LOG_LEVEL LIVEPERSON_CSDS_URL SLACK_API_URL "
        "BRIDGE_LEASE_SECONDS"
    )
    for name in names.split():
        assert f"  {name}: " in message


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "x", "must be a whole number"),
        ("PORT", "70000", "must be at most 65535"),
        ("BRIDGE_LEASE_SECONDS", "x", "must be a number"),
        ("BRIDGE_LEASE_SECONDS", "0", "must be at least 1"),
        ("BRIDGE_OPEN_PER_PERSON", "-1", "must be at least 0"),
        ("BRIDGE_OPEN_PER_CHANNEL", "many", "must be a whole number"),
        ("BRIDGE_CONNECTS_PER_MINUTE", "1.5", "must be a whole number"),
        ("BRIDGE_THREAD_GONE_SECONDS", "-1", "must be at least 0"),
        ("BRIDGE_THREAD_GONE_SECONDS", "nan", "must be at least 0"),
        *(
            ("HOST", host, "must be an address of this machine, such as 0.0.0.0 or 127.0.0.1")
            for host in NO_HOSTS
        ),
        ("BRIDGE_WORKER_ID", "x" * 129, "must have at most 128 characters"),
        ("BRIDGE_CARD_STYLE", "x", "must be 'classic' or 'rich'"),
        ("BRIDGE_LOG_FORMAT", "x", "must be 'json' or 'console'"),
    ],
)
def test_mistakes_in_values_are_said_plainly(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: value})
    assert str(caught.value).splitlines()[1:] == [f"  {name}: {said}"]


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "fe80::1%eth0", "localhost", "my-host_1", "a.b.example."]
)
def test_any_host_can_be_listened_on(host: str) -> None:
    assert load({"HOST": host}).host == host


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://sandbox:1",
        "http://10.0.0.2",
        "http://[::1]:1",
    ],
)
def test_plain_http_is_for_this_machine_and_its_neighbours(url: str) -> None:
    assert load({"LIVEPERSON_CSDS_URL": url}).liveperson_csds_url == url


class TestAccounts:
    """bridge.toml, and who is meant by what someone types."""

    TOML = """
        [accounts.12345678]
        name = "Sandbox Telecom"
        alias = "Telecom"
        auth = "anonymous"
        connector = "c1"
        skill = 4711
        channels = ["#support", "#été-2", "C0SUPPORT", "G0OLD", "D0DIRECT"]

        [accounts.87654321]
        alias = "bank"
    """

    def test_account_settings_are_read(self) -> None:
        toml(self.TOML)

        settings = load({})

        telecom = settings.account("12345678")
        assert telecom.name == "Sandbox Telecom"
        assert (telecom.auth, telecom.connector, telecom.skill) == ("anonymous", "c1", "4711")
        assert telecom.channels == ("#support", "#été-2", "C0SUPPORT", "G0OLD", "D0DIRECT")
        assert settings.account("87654321").auth == "auto"
        assert settings.account("555").number == "555"
        assert [account.number for account in settings.known_accounts()] == ["12345678", "87654321"]

    def test_are_read_from_the_file_that_is_named(self) -> None:
        toml(self.TOML, "other.toml")

        assert set(load({"BRIDGE_CONFIG": "other.toml"}).accounts) == {"12345678", "87654321"}

    def test_example_is_valid(self, monkeypatch: pytest.MonkeyPatch) -> None:
        example = Path(__file__).parents[1] / "bridge.example.toml"

        assert load({"BRIDGE_CONFIG": str(example)}).find_account("telecom") is not None

    @pytest.mark.parametrize(
        ("typed", "number"),
        [
            ("telecom", "12345678"),
            (" TELECOM ", "12345678"),
            ("12345678", "12345678"),
            ("99", "99"),
            ("unknown", None),
            ("", None),
            ("٣", None),
            ("1" * 21, None),
        ],
    )
    def test_are_found_by_number_and_alias(self, typed: str, number: str | None) -> None:
        toml(self.TOML)

        found = load({}).find_account(typed)

        assert (found.number if found else None) == number

    def test_that_are_not_allowed_are_not_found(self) -> None:
        toml(self.TOML)

        settings = load({"BRIDGE_ACCOUNTS": "87654321,555"})

        assert settings.find_account("telecom") is None
        assert settings.find_account("12345678") is None
        assert settings.find_account("bank") is not None
        assert [account.number for account in settings.known_accounts()] == ["87654321", "555"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("accounts = 3", "must be tables"),
            ("[account.1]", r"\[account\] is not known"),
            ("[accounts.abc]", "1 to 20 digits"),
            ("[accounts.1]\nnmae = 'x'", r"\[accounts.1\] nmae: is not known"),
            ("[accounts.1]\nauth = 'secret'", r"\[accounts.1\] auth: must be 'auto', 'signup', "),
            ("[accounts.1]\nalias = 'two words'", "alias: must be one word"),
            ("[accounts.1]\nalias = '2nd'", "alias: must be one word"),
            ("[accounts.1]\nchannels = '#a'", "channels: must be a list"),
            ("[accounts.1]\nchannels = ['#a', 'support']", r"channels: no. 2 is neither a `#name`"),
            ("[accounts.1]\nchannels = ['#Support']", "channels: no. 1 is neither"),
            ("[accounts.1]\nchannels = ['']", "channels: no. 1 is neither"),
            ("[accounts.1]\nchannels = ['U0ANA']", "channels: no. 1 is neither"),
            ("[accounts.1]\nalias = []", "alias: must be text"),
            ("[accounts.1]\nalias='a'\n[accounts.2]\nalias='A'", "more than one account"),
            ("[accounts.1]\nnumber = '2'", "in its name already"),
            ("accounts", "not valid TOML"),
            ("\xff", "not valid TOML"),
        ],
    )
    def test_mistakes_are_said_plainly(self, text: str, said: str) -> None:
        Path("bridge.toml").write_bytes(text.encode("latin-1"))

        with pytest.raises(ConfigError, match=said) as caught:
            load({})
        assert str(caught.value).startswith("bridge.toml ")

    def test_file_that_is_missing_is_said(self) -> None:
        with pytest.raises(ConfigError, match=r"no\.toml cannot be read: No such file"):
            load({"BRIDGE_CONFIG": "no.toml"})
        with pytest.raises(ConfigError, match="Is a directory"):
            load({"BRIDGE_CONFIG": "."})


@given(st.text())
def test_whatever_is_typed_finds_an_account_or_none(typed: str) -> None:
    found = Settings().find_account(typed)

    assert found is None or found.number == typed.strip()


class TestIdentity:
    """Who people are to LivePerson, per account, and the environment's word over the file's."""

    @pytest.fixture(autouse=True)
    def _alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_a_keys_file_lies_beside_the_configuration(self, tmp_path: Path) -> None:
        folder = tmp_path / "etc"
        folder.mkdir()
        text = '[accounts.1]\nauth="authenticated"\nissuer="me"\nprivate_key="k.pem"\nlang="en-US"'
        (folder / "b.toml").write_text(text)
        account = load({"BRIDGE_CONFIG": str(folder / "b.toml")}).account("1")
        assert account.private_key == str(folder / "k.pem")
        assert account.lang == "en-US"
        assert "k.pem" not in repr(account)

    def test_the_environment_has_the_last_word(self) -> None:
        Path("bridge.toml").write_text('[accounts.1]\nauth="signup"\nissuer="a"\nskill="5"')
        settings = load(
            {
                "BRIDGE_AUTH": "Authenticated",
                "BRIDGE_ISSUER": "b",
                "BRIDGE_PRIVATE_KEY": "/k.pem",
            }
        )
        for number in ("1", "2"):
            account = settings.account(number)
            told = (account.auth, account.issuer, account.private_key)
            assert told == ("authenticated", "b", "/k.pem")
        assert settings.account("1").skill == "5"
        assert "/k.pem" not in repr(settings)

    def test_silence_means_what_it_always_meant(self) -> None:
        assert load({}).account("1").auth == "auto"

    def test_what_is_missing_is_said_before_anything_starts(self) -> None:
        Path("bridge.toml").write_text('[accounts.1]\nauth="authenticated"')
        complete = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}
        with pytest.raises(ConfigError, match="`issuer` and `private_key`"):
            load(complete).require_serve()
        key = {"BRIDGE_ISSUER": "me", "BRIDGE_PRIVATE_KEY": "k.pem"}
        load({**complete, **key}).require_serve()

    def test_a_language_is_one(self) -> None:
        Path("bridge.toml").write_text('[accounts.1]\nlang="English, please"')
        with pytest.raises(ConfigError, match="lang: must be a language"):
            load({})
