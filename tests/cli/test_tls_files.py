"""Files of TLS that cannot be used: `ostiary serve` says which, and by which setting, before it makes anything."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from server.cli.running import moment
from server.clock import SystemClock
from tests.cli.conftest import CommandLine
from tests.support.certificates import make

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

OWN, OTHER = make(SystemClock().now()), make(SystemClock().now(), "CN=other")
CERTIFICATE = OWN.certificate.public_bytes(Encoding.PEM)
KEY = OWN.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
ENCRYPTED = OWN.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
OTHER_KEY = OTHER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
DAMAGED = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

Refused = Callable[..., str]


@pytest.fixture
def refused(ostiary: CommandLine, tmp_path: Path) -> Refused:
    """Start with files of this content, by the rest of their settings' names; None for a file that is not there."""

    def start(**contents: bytes | None) -> str:
        environment = {"OSTIARY_ISSUER": "https://login.example.com", "OSTIARY_PORT": "0"}
        for name, content in contents.items():
            path = tmp_path / f"{name}.pem"
            environment[f"OSTIARY_{name}"] = str(path)
            if content is not None:
                path.write_bytes(content)
        line = ostiary.refusal("serve", **environment)
        assert ostiary.json("key", "list") == []
        return line

    return start


@pytest.mark.parametrize("name", ["TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA", "CA_FILE"])
def test_a_file_that_is_not_there_is_named_with_its_setting(refused: Refused, tmp_path: Path, name: str) -> None:
    fine = {"TLS_CERTIFICATE": CERTIFICATE, "TLS_KEY": KEY, "TLS_CLIENT_CA": CERTIFICATE, "CA_FILE": CERTIFICATE}
    line = refused(**{**fine, name: None})
    assert line == f"OSTIARY_{name} {tmp_path / name}.pem cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["TLS_CERTIFICATE", "TLS_CLIENT_CA", "CA_FILE"])
@pytest.mark.parametrize("content", [b"", b"hello", KEY, DAMAGED, OWN.der], ids=["", "text", "key", "damaged", "der"])
def test_a_file_without_a_certificate_is_named(refused: Refused, tmp_path: Path, name: str, content: bytes) -> None:
    line = refused(**{"TLS_CERTIFICATE": CERTIFICATE, "TLS_KEY": KEY, name: content})
    assert line.startswith(f"OSTIARY_{name} {tmp_path / name}.pem holds no certificate in PEM")


def test_a_key_that_cannot_be_used_is_named(refused: Refused, tmp_path: Path) -> None:
    for content, words in (
        (b"", "holds no private key in PEM"),
        (CERTIFICATE, "holds no private key in PEM"),
        (ENCRYPTED, "the private key is encrypted"),
        (OTHER_KEY, "the private key does not fit the first certificate in OSTIARY_TLS_CERTIFICATE"),
    ):
        line = refused(TLS_CERTIFICATE=CERTIFICATE, TLS_KEY=content)
        assert line.startswith(f"OSTIARY_TLS_KEY {tmp_path / 'TLS_KEY.pem'}")
        assert words in line


def test_one_file_for_both_holds_both(refused: Refused, tmp_path: Path) -> None:
    line = refused(TLS_CERTIFICATE=CERTIFICATE)
    path = tmp_path / "TLS_CERTIFICATE.pem"
    assert (
        line == f"OSTIARY_TLS_CERTIFICATE {path} holds no private key in PEM: set OSTIARY_TLS_KEY to the file with it"
    )
    assert "does not fit" in refused(TLS_CERTIFICATE=CERTIFICATE + OTHER_KEY)


def test_the_doctor_looks_at_them_and_says_when_the_certificate_ends(ostiary: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(CERTIFICATE + KEY)
    (tmp_path / "damaged.pem").write_bytes(DAMAGED)
    fine = ostiary.run("doctor", OSTIARY_TLS_CERTIFICATE=str(tmp_path / "own.pem"))
    ends = OWN.certificate.not_valid_after_utc
    assert f"TLS files: the certificate is valid until {moment(int(ends.timestamp()))}" in fine.stdout
    wrong = ostiary.run("doctor", OSTIARY_TLS_CERTIFICATE=str(tmp_path / "damaged.pem"))
    assert wrong.exit_code == 1
    assert "FAIL  TLS files: OSTIARY_TLS_CERTIFICATE" in wrong.stdout


def test_the_issuer_is_https_where_only_tls_is_spoken(ostiary: CommandLine, tmp_path: Path) -> None:
    """Links would lead to a port that does not understand them."""
    own = str(tmp_path / "own.pem")
    line = ostiary.refusal("serve", OSTIARY_ISSUER="http://localhost:8000", OSTIARY_TLS_CERTIFICATE=own)
    assert line.startswith("OSTIARY_ISSUER starts with http://, but with OSTIARY_TLS_CERTIFICATE")


def test_the_doctor_misses_no_proxy_where_the_server_speaks_tls_itself(ostiary: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(CERTIFICATE + KEY)
    https = {"OSTIARY_ISSUER": "https://login.example.com"}
    assert "OSTIARY_TRUSTED_PROXIES" in ostiary.run("doctor", **https).stdout
    own = ostiary.run("doctor", **https, OSTIARY_TLS_CERTIFICATE=str(tmp_path / "own.pem"))
    assert "OSTIARY_TRUSTED_PROXIES" not in own.stdout
