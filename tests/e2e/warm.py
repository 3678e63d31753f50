"""Bridge processes that start at once: forked from one that has imported everything already.

Half of what a bridge needs to start is the import of libraries. Tests that start it a hundred times
fork it from a process that has done that once. What runs is the same: `lp-bridge serve`, a process
of its own, which imports the bridge itself anew, with its own environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class WarmProcess:
    """One forked bridge, with what the tests use of `asyncio.subprocess.Process`."""

    def __init__(
        self, warm: Warm, pid: int, stdout: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.stdout = stdout
        """What it prints; ends when it has ended."""
        self._writer = writer
        self.returncode: int | None = None
        self._warm = warm
        self._waiting: asyncio.Task[int] | None = None

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end; gives its status, negative for a signal."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._warm.status(self.pid))
        self.returncode = await asyncio.shield(self._waiting)
        self._writer.close()
        return self.returncode


class Warm:
    """The process that bridges are forked from."""

    def __init__(self, address: Path) -> None:
        self.address = address
        """Its socket: other processes may have bridges forked there too."""

    async def start(self, env: Mapping[str, str], argv: Sequence[str]) -> WarmProcess:
        """Fork a bridge with this environment: `python -m MODULE ARGUMENT…`."""
        reader, writer = await asyncio.open_unix_connection(self.address, limit=2**20)
        asked = {"env": dict(env), "argv": list(argv[2:])}
        writer.write(json.dumps(asked).encode() + b"\n")
        pid = int(await reader.readline())
        return WarmProcess(self, pid, reader, writer)

    async def status(self, pid: int) -> int:
        """Wait for the end of a bridge."""
        reader, writer = await asyncio.open_unix_connection(self.address)
        try:
            writer.write(json.dumps({"wait": pid}).encode() + b"\n")
            return int(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()


@contextmanager
def warm_up() -> Iterator[Warm]:
    """Start the process; at the end kill it and what it has forked."""
    with tempfile.TemporaryDirectory(prefix="lp-bridge-warm-") as folder:
        address = Path(folder) / "warm"
        command = [sys.executable, "-m", "tests.e2e.warm", str(address)]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"warm\n"
                yield Warm(address)
            finally:
                os.killpg(process.pid, signal.SIGKILL)


# In the process itself


def serve(address: str) -> None:
    """Fork a bridge for each connection that asks for one."""
    import bridge.app
    import bridge.cli  # noqa: F401 - for what it imports

    # The bridge's own modules are imported anew: some of them read the environment.
    for name in [name for name in sys.modules if name.partition(".")[0] == "bridge"]:
        del sys.modules[name]
    ended: dict[int, int] = {}
    waiting: dict[int, list[socket.socket]] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        listener.settimeout(0.05)
        sys.stdout.write("warm\n")
        sys.stdout.flush()
        while True:
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.settimeout(None)
                with connection.makefile() as lines:
                    asked = json.loads(lines.readline())
                if "env" in asked:
                    fork(connection, listener, asked["env"], asked["argv"])
                else:
                    waiting.setdefault(asked["wait"], []).append(connection)
            reap(ended)
            for pid in ended.keys() & waiting.keys():
                for connection in waiting.pop(pid):
                    connection.sendall(f"{ended[pid]}\n".encode())
                    connection.close()


def reap(ended: dict[int, int]) -> None:
    """Note the status of each bridge that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])


def fork(
    connection: socket.socket, listener: socket.socket, env: dict[str, str], argv: list[str]
) -> None:
    """Fork a bridge that prints to `connection`."""
    pid = os.fork()
    if pid:
        connection.close()
        return
    listener.close()
    connection.sendall(f"{os.getpid()}\n".encode())
    os.dup2(connection.fileno(), 1)
    os.dup2(connection.fileno(), 2)
    connection.close()
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - this process must not go on as the one it came from
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
