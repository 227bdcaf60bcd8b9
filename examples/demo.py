"""`make demo`: the server and all examples, registered with each other and ready to click through.

`--check` starts everything, runs the backend service once, and stops.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
OSTIARY = str(Path(sys.executable).with_name("ostiary"))
START_SECONDS = 30


class Demo:
    """The processes of the demonstration."""

    def __init__(self, ports: dict[str, int], directory: Path) -> None:
        self.urls = {name: f"http://localhost:{port}" for name, port in ports.items()}
        self._ports = ports
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")},
            "OSTIARY_ISSUER": self.urls["server"],
            "OSTIARY_PORT": str(ports["server"]),
            "OSTIARY_DATA_DIR": str(directory),
            "OSTIARY_BRAND_NAME": "Ostiary demo",
            "OSTIARY_ACCESS_LOG": "off",
            "PYTHONWARNINGS": "ignore",
        }

    def ostiary(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """Run a command and return its JSON."""
        command = [OSTIARY, *arguments, "--json"]
        done = subprocess.run(command, env=self._environment, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def _start(self, command: list[str], ready: str, **environment: str) -> None:
        process = subprocess.Popen(command, cwd=ROOT, env={**self._environment, **environment})
        self._processes.append(process)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(ready, timeout=5).is_success:
                    return
            time.sleep(0.1)
        raise SystemExit(f"{' '.join(command)} did not start")

    def _app(self, name: str, module: str, path: str, **environment: str) -> None:
        arguments = ["--port", str(self._ports[name]), "--log-level", "warning", "--app-dir", str(ROOT)]
        command = [sys.executable, "-m", "uvicorn", module, *arguments]
        self._start(command, self.urls[name] + path, ISSUER=self.urls["server"], API=self.urls["api"], **environment)

    def _check_ports(self) -> None:
        for name, port in self._ports.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    raise SystemExit(
                        f"port {port} is taken ({name}): stop what uses it; --port moves the server"
                    ) from None

    def start(self) -> dict[str, str]:
        """Start everything and return what a person needs to know."""
        urls = self.urls
        self._check_ports()
        self._start([OSTIARY, "serve"], urls["server"] + "/health/ready")
        password = secrets.token_urlsafe(15)
        email = f"demo-{secrets.token_hex(3)}@example.com"
        self.ostiary("user", "create", email, "--name", "Demo Person", "--password-stdin", stdin=password + "\n")
        spa = self._client("spa", "Example single-page app", urls["spa"] + "/callback", urls["spa"] + "/")
        shop = self._client("web", "Example shop", urls["shop"] + "/callback", urls["shop"] + "/")
        service = self.ostiary(
            "client", "create", "--profile", "service", "--name", "Example service", "--scope", "read:things"
        )
        self._app("api", "examples.resource_server.app:app", "/health", ALLOWED_ORIGIN=urls["spa"])
        self._app("spa", "examples.spa.serve:app", "/", CLIENT_ID=spa["client_id"])
        self._app(
            "shop",
            "examples.relying_party.app:app",
            "/",
            CLIENT_ID=shop["client_id"],
            CLIENT_SECRET=shop["client_secret"],
            BASE=urls["shop"],
        )
        return {
            "email": email,
            "password": password,
            "service_id": service["client_id"],
            "service_secret": service["client_secret"],
        }

    def _client(self, profile: str, name: str, callback: str, after: str) -> dict[str, Any]:
        options = ["--name", name, "--redirect-uri", callback, "--post-logout-redirect-uri", after]
        return self.ostiary("client", "create", "--profile", profile, *options)

    def run_service(self, facts: dict[str, str]) -> str:
        """Run the backend service once and return what it prints."""
        environment = {
            **self._environment,
            "ISSUER": self.urls["server"],
            "API": self.urls["api"],
            "CLIENT_ID": facts["service_id"],
            "CLIENT_SECRET": facts["service_secret"],
        }
        command = [sys.executable, str(ROOT / "examples/backend_service/service.py")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def wait(self) -> None:
        """Wait until one of the processes ends."""
        while all(process.poll() is None for process in self._processes):
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop everything."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            process.wait(20)


@contextlib.contextmanager
def running(ports: dict[str, int], directory: Path) -> Iterator[tuple[Demo, dict[str, str]]]:
    """Run the demonstration for as long as the context lasts."""
    demo = Demo(ports, directory)
    try:
        yield demo, demo.start()
    finally:
        demo.stop()


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description="The server and all examples, ready to click through.")
    parser.add_argument("--check", action="store_true", help="start everything, run the service once, and stop")
    parser.add_argument("--port", type=int, default=8000, help="the server's port; 8001, 8002 and 5173 are the others'")
    parser.add_argument("--directory", type=Path, default=ROOT / "var" / "demo", help="where the demo's data are kept")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ports = {"server": arguments.port, "shop": 8001, "api": 8002, "spa": 5173}
    with contextlib.suppress(KeyboardInterrupt), running(ports, arguments.directory) as (demo, facts):
        print(f"\nSingle-page app   {demo.urls['spa']}")
        print(f"Relying party     {demo.urls['shop']}")
        print(f"API               {demo.urls['api']}/things   (401 without a token)")
        print(f"Your account      {demo.urls['server']}/account")
        print(f"Sign in as        {facts['email']}   password {facts['password']}")
        print(f"Backend service   {demo.run_service(facts)}\n", flush=True)
        if not arguments.check:
            print("Stop everything with Ctrl-C.", flush=True)
            demo.wait()


if __name__ == "__main__":
    main()
