import base64

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keys.sealing import Sealer, SealError, generate_root_key, parse_root_keys

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
ROW = "signing_key:abc"


@given(st.binary(), st.text(alphabet=st.characters(codec="utf-8")))
def test_what_was_sealed_is_opened_in_its_own_context(plaintext: bytes, context: str) -> None:
    sealer = Sealer([OLD])
    assert sealer.unseal(sealer.seal(plaintext, context=context), context=context) == plaintext


def test_a_value_moved_to_another_row_does_not_open() -> None:
    sealer = Sealer([OLD])
    with pytest.raises(SealError, match="altered or is another row's"):
        sealer.unseal(sealer.seal(b"secret", context=ROW), context="signing_key:xyz")


def test_no_changed_character_goes_unnoticed() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", context=ROW)
    for position in range(len(sealed)):
        changed = sealed[:position] + ("A" if sealed[position] != "A" else "B") + sealed[position + 1 :]
        with pytest.raises(SealError):
            sealer.unseal(changed, context=ROW)


@pytest.mark.parametrize("rest", ["", "AAAA", "A", "%%%%", "ÄÄÄÄ", "=", "AAAAAAAAAAAAAAAA"])
def test_a_broken_value_is_one_kind_of_error(rest: str) -> None:
    sealer = Sealer([OLD])
    prefix = sealer.seal(b"", context=ROW).rpartition(".")[0]
    for sealed in (f"{prefix}.{rest}", rest, f"v2.{rest}", f"v1.{rest}"):
        with pytest.raises(SealError):
            sealer.unseal(sealed, context=ROW)


def test_a_nonce_is_never_used_twice_and_the_text_says_nothing() -> None:
    sealer = Sealer([OLD])
    sealed = {sealer.seal(b"the same secret", context=ROW) for _ in range(100)}
    assert len(sealed) == 100
    nonces = {base64.urlsafe_b64decode(text.rpartition(".")[2])[:12] for text in sealed}
    assert len(nonces) == 100
    assert all(b"secret" not in base64.urlsafe_b64decode(text.rpartition(".")[2]) for text in sealed)


def test_a_new_root_key_seals_and_the_old_one_still_opens() -> None:
    before = Sealer([OLD]).seal(b"secret", context=ROW)
    rotated = Sealer([NEW, OLD])
    assert rotated.unseal(before, context=ROW) == b"secret"
    assert not rotated.is_current(before)
    after = rotated.seal(b"secret", context=ROW)
    assert rotated.is_current(after)
    assert Sealer([NEW]).unseal(after, context=ROW) == b"secret"


def test_a_missing_root_key_is_named_to_the_operator() -> None:
    sealed = Sealer([OLD]).seal(b"secret", context=ROW)
    key_id = sealed.split(".")[1]
    with pytest.raises(SealError, match=f"root key {key_id} is not in OSTIARY_SECRET_KEY"):
        Sealer([NEW]).unseal(sealed, context=ROW)


def test_only_the_named_root_key_is_tried() -> None:
    sealed = Sealer([OLD]).seal(b"secret", context=ROW)
    version, _, body = sealed.split(".")
    new_id = Sealer([NEW]).seal(b"", context=ROW).split(".")[1]
    with pytest.raises(SealError, match="altered"):
        Sealer([NEW, OLD]).unseal(f"{version}.{new_id}.{body}", context=ROW)


def test_an_error_holds_no_secret() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", context=ROW)
    with pytest.raises(SealError) as caught:
        sealer.unseal(sealed, context="elsewhere")
    assert sealed.rpartition(".")[2] not in str(caught.value)


def test_derived_keys_differ_by_purpose_and_root_key() -> None:
    sealer = Sealer([NEW, OLD])
    derived = {sealer.derive("csrf"), sealer.derive("known browser"), *sealer.derive_all("csrf")}
    assert len(derived) == 3
    assert all(len(key) == 32 for key in derived)
    assert not derived & {OLD, NEW}
    assert sealer.derive_all("csrf") == (Sealer([NEW]).derive("csrf"), Sealer([OLD]).derive("csrf"))


def test_the_root_key_itself_seals_nothing() -> None:
    sealed = Sealer([OLD]).seal(b"secret", context=ROW)
    raw = base64.urlsafe_b64decode(sealed.rpartition(".")[2])
    with pytest.raises(InvalidTag):
        AESGCM(OLD).decrypt(raw[:12], raw[12:], ROW.encode())


def test_nobody_is_given_the_key_that_seals() -> None:
    with pytest.raises(ValueError, match="sealing only"):
        Sealer([OLD]).derive("seal")


@pytest.mark.parametrize("keys", [[], [b""], [bytes(31)], [bytes(33)], [OLD, bytes(16)]])
def test_a_sealer_needs_keys_of_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys)


def test_root_keys_are_read_in_their_order() -> None:
    texts = [base64.urlsafe_b64encode(key).decode() for key in (NEW, OLD)]
    assert parse_root_keys(",".join(texts)) == [NEW, OLD]
    assert parse_root_keys(" , ".join(text.rstrip("=") for text in texts)) == [NEW, OLD]


@pytest.mark.parametrize(
    "text", ["", " ", ",", "short", "A" * 43 + ",", "A" * 42, "A" * 44, "ä" * 43, "A" * 42 + "\n" + "A"]
)
def test_what_is_no_root_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64url; one of OSTIARY_SECRET_KEY") as caught:
        parse_root_keys(text)
    assert len(text) < 10 or text not in str(caught.value)


def test_a_generated_root_key_is_one() -> None:
    keys = {generate_root_key() for _ in range(10)}
    assert len(keys) == 10
    assert all(len(parse_root_keys(key)[0]) == 32 for key in keys)
