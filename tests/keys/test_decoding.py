import base64
import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.decoding import MAX_DEPTH, decode_base64url, decode_json_object, encode_base64url

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=20,
)


@given(st.binary())
def test_what_is_encoded_is_read_back(raw: bytes) -> None:
    assert decode_base64url(encode_base64url(raw).decode()) == raw


@pytest.mark.parametrize("text", ["YQ==", "YQ=", "Y Q", "YQ\n", "Y+/Q", "A", "AAAAA", "Ä", "YQ.", "\x00\x00"])
def test_what_is_not_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|characters"):
        decode_base64url(text)


def test_one_value_has_one_spelling() -> None:
    """RFC 4648 section 3.5."""
    assert base64.urlsafe_b64decode("YR==") == base64.urlsafe_b64decode("YQ==")
    assert decode_base64url("YQ") == b"a"
    with pytest.raises(ValueError, match="canonical"):
        decode_base64url("YR")


@given(st.dictionaries(st.text(), JSON))
def test_every_ordinary_object_is_read(value: dict[str, object]) -> None:
    for ensure_ascii in (True, False):
        assert decode_json_object(json.dumps(value, ensure_ascii=ensure_ascii).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0dNaInfity1e ', max_size=200).map(str.encode))
def test_nothing_raises_another_kind_of_error(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(decode_json_object(raw), dict)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"text"',
        "{",
        "{} {}",
        '{"a":1,"a":1}',
        '{"b":{"a":1,"a":2}}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e400}',
        '{"a":-1e400}',
        '{"a":1' + "0" * 5000 + "}",
        '{"a":"\\ud800"}',
        '{"a":"\\uDFFF\\uD800"}',
        '{"\\ud800":1}',
        '{"a":"\n"}',
    ],
)
def test_json_with_more_than_one_reading_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the parser words some of them
        decode_json_object(text.encode())


@pytest.mark.parametrize(
    "raw", [b'{"a":"\xff"}', b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b'{"a":"\xed\xa0\x80"}']
)
def test_only_utf_8_is_read(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the decoder words some of them
        decode_json_object(raw)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert decode_json_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_ends_at_the_limit(opening: str, closing: str) -> None:
    def nested(levels: int) -> bytes:
        inside = levels - 1  # the object around it is one
        return ('{"a":' + opening * inside + "1" + closing * inside + "}").encode()

    assert decode_json_object(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 1100, 5000):
        with pytest.raises(ValueError, match="deep"):
            decode_json_object(nested(levels))


def test_brackets_in_strings_and_side_by_side_are_no_nesting() -> None:
    value = {"a": "[{" * 100, 'quote"\\': '"[[[[' * 50, "b": [[] for _ in range(100)]}
    assert decode_json_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", ['"' + '\\"' * 8000, '"\\' * 8000, '{"a":"' + "[" * 40 + '\\"' * 8000, "[" * 16000])
def test_looking_for_depth_takes_no_quadratic_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError):  # noqa: PT011  the parser words some of them
        decode_json_object(("[" * 20 + "{" * 12 + "[" + text).encode())
    assert time.process_time() - began < 0.1
