"""Token endpoints under load: Ostiary, and the bare handler that it is compared with."""

import hashlib
import json
import sys
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from benchmarks import bare_app, signatures, wrk
from benchmarks.measure import MeasurementError
from benchmarks.processes import cpu_seconds, workers
from benchmarks.stage import Stage, register_client
from tests.support.process import ROOT, ServerProcess, free_port

SCOPE = "read:things"
KID = "x" * 43
"""As long as the thumbprints that Ostiary names its keys by (RFC 7638)."""
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Observed:
    """A load, and the workers under it."""

    load: wrk.Load
    cpu_microseconds: float
    """CPU time of all workers for each token: what else runs on the machine changes it little."""
    busiest_share: float
    """The part of the work that the busiest worker did; 1/workers is even."""


class Target:
    """A served token endpoint, and how to ask it and check what it says."""

    def __init__(self, pid: int, url: str, client: dict[str, str], keys: KeySet) -> None:
        self._pid = pid
        self._url = url
        self._keys = keys
        self._form = {"grant_type": "client_credentials", "scope": SCOPE, **client}
        self.token_size = 0

    def load(self, seconds: float) -> wrk.Load:
        """Ask for tokens, and verify a sample of those that came."""
        load = wrk.run(self._url, self._form, seconds)
        for body in load.sample:
            token = json.loads(body)["access_token"]
            self.token_size = len(token)
            claims = jwt.decode(token, self._keys, algorithms=["RS256"]).claims
            if claims["sub"] != self._form["client_id"] or claims["scope"] != SCOPE:
                raise MeasurementError(f"{self._url} gave a token for something else: {claims}")
        return load

    def observed(self, seconds: float) -> Observed:
        """Load, and look at what it costs the workers."""
        pids = workers(self._pid)
        before = [cpu_seconds(pid) for pid in pids]
        load = self.load(seconds)
        used = [cpu_seconds(pid) - start for pid, start in zip(pids, before, strict=True)]
        return Observed(load, sum(used) / load.answers * 1_000_000, max(used) / sum(used))


def served(server: ServerProcess) -> Target:
    """Return Ostiary's token endpoint with a client of its own."""
    client = register_client(
        server,
        client_name="Benchmark",
        grant_types=["client_credentials"],
        response_types=[],
        scope=SCOPE,
        token_endpoint_auth_method="client_secret_post",
    )
    keys = KeySet.import_key_set(httpx.get(f"{server.address}/jwks").json())
    target = Target(server.pid, f"{server.address}/token", client, keys)
    target.load(WARM_UP_SECONDS)
    return target


def bare(stage: Stage) -> Target:
    """Return the bare handler, run by uvicorn with as many workers."""
    key = generate_private_key(65537, signatures.BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = stage.directory() / "key.pem"
    file.write_bytes(pem)
    port = free_port()
    # as long as Ostiary's own names, so that requests and tokens have the same size
    client = {"client_id": "cli_" + "a" * 26, "client_secret": "ocs_" + "a" * 43}
    digest = hashlib.sha256(client["client_secret"].encode()).hexdigest()
    url = f"http://127.0.0.1:{port}"
    facts: dict[str, Any] = {"client_id": client["client_id"], "secret_digest": digest, "issuer": url}
    program = stage.program(
        [
            *(sys.executable, "-m", "uvicorn", "benchmarks.bare_app:create_app", "--factory"),
            *("--app-dir", str(ROOT), "--host", "127.0.0.1", "--port", str(port), "--workers", str(stage.cores)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
        ],
        f"{url}/token",
        {bare_app.KEY_FILE: str(file), bare_app.FACTS: json.dumps({**facts, "kid": KID, "scope": SCOPE})},
    )
    target = Target(program.pid, f"{url}/token", client, KeySet([RSAKey.import_key(pem, {"kid": KID})]))
    target.load(WARM_UP_SECONDS)
    return target
