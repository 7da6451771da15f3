"""Real Redis servers for tests, each on a free loopback port and in an empty folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support import PATIENCE

PROGRAM = (
    os.environ.get("NAMEPOOL_REDIS_SERVER")  # another version than the system's
    or shutil.which("redis-server")
    or shutil.which("valkey-server")
)

MISSING = (
    "NOT TESTED: the Redis ledger, because there is no redis-server on this machine "
    "(Debian: apt-get install redis-server); .ci/run installs it"
)


def need_server() -> None:
    """Skip the test, loudly, where there is no server; in CI that is a failure."""
    if PROGRAM is None:
        if os.environ.get("CI") or os.environ.get("NAMEPOOL_CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


class RedisServer:
    """One server. ``options`` are those of its command line."""

    def __init__(self, folder: Path, *options: str) -> None:
        need_server()
        self.folder = folder
        self.port = free_port()
        self._options = options
        folder.mkdir(exist_ok=True)
        for _ in range(5):
            if self.start():
                break
            self.port = free_port()  # somebody else was faster to take it
        else:
            pytest.fail(f"{PROGRAM} does not start with {options}")
        self.url = f"redis://127.0.0.1:{self.port}"

    def start(self) -> bool:
        """Start it, on the port and with the data that it had; tell whether it runs."""
        assert PROGRAM is not None
        plain = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder))
        self._process = subprocess.Popen(
            [PROGRAM, *plain, "--save", "", "--daemonize", "no", *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._client: Any = redis.Redis(
            port=self.port, decode_responses=True, retry=Retry(NoBackoff(), 0)
        )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "the server does not start"
            if self._process.poll() is not None:
                self._client.close()
                return False
        return True

    def _answers(self) -> bool:
        try:
            return bool(self._client.execute_command("PING"))
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def do(self, *command: str | float) -> Any:
        """Send a command, past all ledgers."""
        return self._client.execute_command(*map(str, command))

    def pause(self) -> None:
        """Let it hang."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        self._client.close()
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> None:
        self.resume()
        self.kill()


def certify(folder: Path) -> tuple[str, ...]:
    """Write ``ca.crt``, and the key and certificate of a server at 127.0.0.1; return options."""
    names = "subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n"
    (folder / "names.cnf").write_text(names, encoding="utf-8")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca "
        "-addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out csr.pem -subj /CN=localhost",
        "x509 -req -in csr.pem -CA ca.crt -CAkey ca.key -CAcreateserial -out cert.pem -days 2 "
        "-extfile names.cnf",
    ):
        program = [shutil.which("openssl") or "openssl", *command.split()]
        subprocess.run(program, cwd=folder, check=True, capture_output=True)
    return (
        *("--tls-cert-file", str(folder / "cert.pem"), "--tls-key-file", str(folder / "key.pem")),
        *("--tls-ca-cert-file", str(folder / "ca.crt"), "--tls-auth-clients", "no"),
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
