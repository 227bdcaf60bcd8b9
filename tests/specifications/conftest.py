"""Clients and keys that several specifications are about."""

import pytest
from cryptography.x509 import DNSName

from tests.support import asking
from tests.support.certificates import ShownCertificate, make
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.secret_request import JWKS
from tests.support.server import RunningServer


@pytest.fixture
async def service(server: RunningServer) -> RelyingParty:
    """A backend service."""
    return RelyingParty(server, "service", await server.add_service())


@pytest.fixture
async def jar(server: RunningServer) -> RelyingParty:
    """A client that signs its requests."""
    return RelyingParty(server, "jar", await server.add_client("jar", jwks=JWKS))


@pytest.fixture
async def bank(server: RunningServer) -> RelyingParty:
    """A confidential client that asks people elsewhere."""
    return await asking.client(server)


@pytest.fixture
def prover(server: RunningServer) -> Prover:
    """A key pair for proofs."""
    return Prover(server)


@pytest.fixture
def shown(server: RunningServer) -> ShownCertificate:
    """A client's certificate."""
    return make(server.clock.now(), "CN=client,O=Shop", DNSName("client.example"))
