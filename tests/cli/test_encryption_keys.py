"""`ostiary key` and `ostiary doctor`, for the keys that others encrypt to."""

import pytest

from tests.cli.conftest import CommandLine

ON = {"OSTIARY_ENCRYPTION_ALGORITHMS": "ECDH-ES ECDH-ES+A256KW"}


@pytest.fixture
def encrypting(ostiary: CommandLine) -> CommandLine:
    """A command line for a server that decrypts."""
    return CommandLine({**ostiary.environment, **ON})


def test_they_rotate_apart_from_those_that_sign(encrypting: CommandLine) -> None:
    first = encrypting.json("key", "rotate", "--use", "enc")
    assert {(key["use"], key["algorithm"], key["state"]) for key in first} == {
        ("enc", "ECDH-ES", "active"),
        ("enc", "ECDH-ES+A256KW", "active"),
    }
    encrypting.json("key", "rotate")
    second = encrypting.json("key", "rotate", "--use", "enc", "--now")
    assert sorted((key["use"], key["state"]) for key in second) == [
        *[("enc", "active")] * 2,
        *[("enc", "retiring")] * 2,
        ("sig", "active"),
    ]
    assert "ECDH-ES+A256KW" in encrypting.run("key", "list").stdout


def test_a_leaked_one_is_replaced(encrypting: CommandLine) -> None:
    encrypting.json("key", "rotate")
    kid = encrypting.json("key", "rotate", "--use", "enc")[-1]["kid"]
    encrypting.json("key", "revoke", kid)
    keys = {key["kid"]: key["state"] for key in encrypting.json("key", "list")}
    assert keys.pop(kid) == "revoked"
    assert list(keys.values()) == ["active"] * 3


def test_they_are_sealed_again_with_the_others(encrypting: CommandLine) -> None:
    encrypting.json("key", "rotate", "--use", "enc")
    assert encrypting.json("key", "reseal")["signing_keys"] == 0


def test_the_doctor_looks_at_them(encrypting: CommandLine) -> None:
    encrypting.json("key", "rotate")
    missing = encrypting.run("doctor")
    assert missing.exit_code == 1
    assert "FAIL  encryption keys: no active key for ECDH-ES: start the server, which makes one" in missing.stdout
    encrypting.json("key", "rotate", "--use", "enc")
    assert "ok    encryption keys: 2 readable, active for ECDH-ES ECDH-ES+A256KW" in encrypting.run("doctor").stdout


@pytest.mark.parametrize("value", ["RSA1_5", "ECDH-ES ECDH-ES", "RSA-OAEP", "dir"])
def test_other_algorithms_are_refused(ostiary: CommandLine, value: str) -> None:
    refusal = ostiary.refusal("key", "list", OSTIARY_ENCRYPTION_ALGORITHMS=value)
    assert "OSTIARY_ENCRYPTION_ALGORITHMS must list each of its algorithms once" in refusal
