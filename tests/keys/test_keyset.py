import time
from dataclasses import replace
from typing import Any

import pytest

from keys.jose import JoseError, verify
from keys.keyset import KeySet, NoSigningKeyError
from keys.sealing import Sealer, SealError
from keys.signing_key import KeyState, SigningKey
from tests.keys.material import ALGORITHMS, NOW, key_pair

SEALER = Sealer([bytes(range(32))])


def row(state: KeyState, algorithm: str = "ES256", number: int = 1, sealer: Sealer = SEALER) -> SigningKey:
    pair = key_pair(algorithm, number)
    sealed = sealer.seal(pair.private_der, context=f"signing_key:{pair.kid}")
    return SigningKey(pair.kid, algorithm, state, pair.public_jwk, sealed, created_at=NOW, activate_at=NOW)


NEXT, ACTIVE, RETIRING, REVOKED = (row(state, number=number) for number, state in enumerate(KeyState, start=1))
ROWS = [NEXT, ACTIVE, RETIRING, REVOKED]


def kids(keys: KeySet) -> list[str]:
    return [jwk["kid"] for jwk in keys.jwks()["keys"]]


def test_every_state_but_revoked_is_published() -> None:
    keys = KeySet.load(ROWS, SEALER)
    assert kids(keys) == [NEXT.kid, ACTIVE.kid, RETIRING.kid]
    assert keys.jwks()["keys"] == [key.public_jwk for key in (NEXT, ACTIVE, RETIRING)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_private_is_published(algorithm: str) -> None:
    (jwk,) = KeySet.load([row(KeyState.ACTIVE, algorithm)], SEALER).jwks()["keys"]
    assert jwk == key_pair(algorithm).public_jwk
    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & jwk.keys()


def test_published_ids_are_distinct() -> None:
    published = kids(KeySet.load([*ROWS, ACTIVE], SEALER))
    assert len(published) == len(set(published)) == 3


def test_changing_what_was_published_changes_nothing() -> None:
    keys = KeySet.load(ROWS, SEALER)
    published = keys.jwks()
    published["keys"][0]["kid"] = "changed"
    published["keys"].clear()
    assert kids(keys) == [NEXT.kid, ACTIVE.kid, RETIRING.kid]


def test_only_the_active_key_signs() -> None:
    assert KeySet.load(ROWS, SEALER).signer("ES256").kid == ACTIVE.kid
    with pytest.raises(NoSigningKeyError, match="ES256"):
        KeySet.load([NEXT, RETIRING, REVOKED], SEALER).signer("ES256")


def test_each_algorithm_has_its_own_signer() -> None:
    keys = KeySet.load([row(KeyState.ACTIVE, algorithm) for algorithm in ALGORITHMS], SEALER)
    for algorithm in ALGORITHMS:
        assert (keys.signer(algorithm).algorithm, keys.signer(algorithm).kid) == (algorithm, key_pair(algorithm).kid)
    assert set(keys.algorithms) == set(ALGORITHMS)
    with pytest.raises(NoSigningKeyError):
        keys.signer("HS256")


def test_what_a_published_key_signed_is_verified_and_what_a_revoked_one_signed_is_not() -> None:
    now_active = KeySet.load([row(KeyState.ACTIVE)], SEALER)
    token = now_active.signer("ES256").sign({"sub": "ada"}, typ="JWT")
    for state in KeyState:
        keys = KeySet.load([row(state), row(KeyState.ACTIVE, number=2)], SEALER)
        if state is KeyState.REVOKED:
            with pytest.raises(JoseError):
                verify(token, find_key=_find(keys), algorithms=keys.algorithms, types=("JWT",))
        else:
            assert verify(token, find_key=_find(keys), algorithms=keys.algorithms, types=("JWT",)).claims["sub"]


def _find(keys: KeySet) -> Any:
    return lambda kid: keys.verification_key(kid or "")


def test_an_id_is_looked_up_exactly() -> None:
    keys = KeySet.load(ROWS, SEALER)
    found = keys.verification_key(ACTIVE.kid)
    assert found is not None
    assert (found.kid, found.algorithms) == (ACTIVE.kid, ("ES256",))
    for kid in ("", ACTIVE.kid[:-1], f"{ACTIVE.kid} ", REVOKED.kid):
        assert keys.verification_key(kid) is None


def test_a_public_key_that_was_written_into_a_row_is_neither_trusted_nor_published() -> None:
    theirs = key_pair("ES256", 9).public_jwk
    forged = replace(ACTIVE, public_jwk={**theirs, "kid": ACTIVE.kid})
    assert KeySet.load([forged], SEALER).jwks() == {"keys": [ACTIVE.public_jwk]}


def test_a_row_that_was_not_sealed_by_us_is_not_loaded() -> None:
    for state in (KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING):
        with pytest.raises(SealError, match="OSTIARY_SECRET_KEY"):
            KeySet.load([row(state, sealer=Sealer([bytes(32)]))], SEALER)


def test_a_sealed_key_of_another_row_is_not_loaded() -> None:
    with pytest.raises(SealError, match="another row's"):
        KeySet.load([replace(ACTIVE, sealed_private=NEXT.sealed_private)], SEALER)


def test_a_row_whose_algorithm_was_altered_is_not_loaded() -> None:
    with pytest.raises(SealError, match="altered: RS256 does not go with a key of type EC"):
        KeySet.load([replace(ACTIVE, algorithm="RS256")], SEALER)


def test_a_revoked_key_needs_no_root_key() -> None:
    assert KeySet.load([row(KeyState.REVOKED, sealer=Sealer([bytes(32)]))], SEALER).jwks() == {"keys": []}


def test_an_empty_set_publishes_nothing_and_signs_nothing() -> None:
    keys = KeySet.load([], SEALER)
    assert (keys.jwks(), keys.algorithms) == ({"keys": []}, ())


def test_loading_an_rsa_key_does_not_prove_its_primes_again() -> None:
    rows = [row(KeyState.ACTIVE, "RS256"), row(KeyState.RETIRING, "PS256")]
    KeySet.load(rows, SEALER)
    began = time.process_time()
    for _ in range(10):
        KeySet.load(rows, SEALER)
    assert (time.process_time() - began) / 20 < 0.01  # the proof takes 35 ms a key


def test_a_row_does_not_print_what_is_sealed_in_it() -> None:
    assert ACTIVE.sealed_private not in repr(ACTIVE)
