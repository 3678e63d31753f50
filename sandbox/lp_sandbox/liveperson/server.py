"""The LivePerson stand-in: CSDS, IDP, accdn and UMS of a few invented accounts."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

import trustme
from aiohttp import web

from lp_sandbox.liveperson import accdn, csds
from lp_sandbox.liveperson.accounts import AGENT_PASSWORD, SandboxAccount, default_accounts
from lp_sandbox.liveperson.agent_login import AgentLogin
from lp_sandbox.liveperson.consumer_socket import ConsumerSocket
from lp_sandbox.liveperson.conversations import Conversations
from lp_sandbox.liveperson.desk import AgentDesk
from lp_sandbox.liveperson.devices import Devices
from lp_sandbox.liveperson.faults import LivePersonFaults
from lp_sandbox.liveperson.gate import Gate
from lp_sandbox.liveperson.idp import Idp
from lp_sandbox.liveperson.manners import Manners
from lp_sandbox.liveperson.record import Record
from lp_sandbox.liveperson.rules import Rules
from lp_sandbox.liveperson.storage import FileStorage
from lp_sandbox.liveperson.survey import SurveyBot
from lp_sandbox.liveperson.tokens import Tokens
from lp_sandbox.liveperson.ums import Ums
from lp_sandbox.wire import Wire


class LivePersonSandbox(AgentDesk):
    """LivePerson on two ports of this machine: http/ws at `base_url`, https/wss at `tls_address`.

    The accounts are those of `lp_sandbox.liveperson.accounts`. Consumers come over the
    websocket; agents act by the calls of `AgentDesk`, or over LivePerson's own agent protocol
    with `agent_username` and `agent_password`. `faults` makes things go wrong, `manners` says what
    LivePerson leaves open. What happened is kept between `stop` and the next `start`.
    """

    agent_username = "maria"
    agent_password = AGENT_PASSWORD

    def __init__(
        self,
        wire: Wire,
        *,
        token_seconds: float = 3600,
        external_token_seconds: float = 600,
        idle_seconds: float = 60,
        accounts: Mapping[str, SandboxAccount] | None = None,
        manners: Manners | None = None,
    ) -> None:
        record = Record(wire)
        known = dict(accounts or default_accounts())
        super().__init__(known, Conversations(), FileStorage(record))
        self.manners = manners or Manners()
        rules = Rules()
        self._tokens = Tokens(
            token_seconds=token_seconds, external_token_seconds=external_token_seconds
        )
        self._gate = Gate(self.accounts, rules, record)
        self._logins = AgentLogin()
        self._ums = Ums(
            accounts=self.accounts,
            conversations=self.model,
            tokens=self._tokens,
            rules=rules,
            record=record,
            gate=self._gate,
            logins=self._logins,
            idle_seconds=idle_seconds,
            manners=self.manners,
            storage=self.storage,
        )
        self.survey_bot = SurveyBot(self.model)
        self._devices = Devices(self.model, self.manners)
        self.faults = LivePersonFaults(rules, self._tokens, self.model, lambda: self.consumers)
        self._runner: web.AppRunner | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._host = ""
        self._ports = (0, 0)

    # -- running -------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls_port: int = 0) -> None:
        """Listen. With port 0 the system chooses one. Raises `OSError` when a port is taken."""
        self._directory = tempfile.TemporaryDirectory(prefix="lp-bridge-ca-")
        context = _tls(host, self.ca_file)
        # Cancel a handler when its caller has gone: calls that are never answered end then.
        self._runner = web.AppRunner(
            self._app(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
            await web.TCPSite(self._runner, host, tls_port, ssl_context=context).start()
        except OSError:  # a port is taken
            await self.stop()
            raise
        plain, tls = (address[1] for address in self._runner.addresses)
        self._host, self._ports = host, (plain, tls)
        self.survey_bot.start()
        self._devices.start()

    async def stop(self) -> None:
        """Cut every connection and stop listening."""
        self.survey_bot.stop()
        self._devices.stop()
        self._ums.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    async def __aenter__(self) -> LivePersonSandbox:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        """`http://HOST:PORT`: what `LIVEPERSON_CSDS_URL` is set to."""
        return f"http://{self._host}:{self._ports[0]}"

    @property
    def tls_address(self) -> str:
        """`HOST:PORT` of the same over TLS: what an agent SDK gets as `csdsDomain`."""
        return f"{self._host}:{self._ports[1]}"

    @property
    def ca_file(self) -> Path:
        """The certificate (PEM) to trust for `tls_address`; it exists while the stand-in runs."""
        if self._directory is None:
            raise RuntimeError("the LivePerson stand-in has not been started")
        return Path(self._directory.name) / "ca.pem"

    @property
    def sockets(self) -> int:
        """How many consumers' websockets are open."""
        return len(self._ums.consumers)

    @property
    def consumers(self) -> tuple[ConsumerSocket, ...]:
        """The consumers' websockets that are open."""
        return tuple(self._ums.consumers)

    # -- routes --------------------------------------------------------------------------------

    def _app(self) -> web.Application:
        idp = Idp(self._tokens, self._ums.people)
        app = web.Application(client_max_size=1024 * 1024)
        account = "/api/account/{account}"
        configuration = f"{account}/configuration"
        get, post = app.router.add_get, app.router.add_post
        through = self._gate.to
        get(f"{account}/service/baseURI.json", through("csds", csds.base_uris))
        get(f"{account}/service/{{service}}/baseURI.json", through("csds", csds.base_uri))
        post(f"{account}/signup", through("idp", idp.sign_up))
        post(f"{account}/anonymous/authorize", through("idp", idp.authorize))
        post(f"{account}/app/{{connector}}/authenticate", through("idp", idp.authenticate))
        get(f"{configuration}/le-connectors/all-connectors", through("accdn", accdn.connectors))
        get(f"{configuration}/setting/accountproperties", through("accdn", accdn.settings))
        get(f"{configuration}/le-users/users/{{agent}}", through("accdn", accdn.profile))
        get("/pictures/{account}/{agent}.svg", through("accdn", accdn.picture))
        post(f"{account}/login", through("agentVep", self._logins.login))
        post(f"{account}/refresh", through("agentVep", self._logins.refresh))
        app.router.add_routes(self.storage.routes(self._gate))
        get("/ws_api/account/{account}/messaging/consumer", self._ums.consumer)
        get("/ws_api/account/{account}/messaging/brand/{bearer}", self._ums.agent)
        return app


def _tls(host: str, ca_file: Path) -> ssl.SSLContext:
    """A server context with a certificate for `host`; writes the CA that signed it."""
    authority = trustme.CA()
    names = dict.fromkeys((host, "127.0.0.1", "localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    authority.cert_pem.write_to_path(str(ca_file))
    return context
