"""Bodies are read with care: whatever comes is either understood or refused with a reason."""

import pytest

from testing.engine.errors import EngineError
from testing.engine.requests import Body, Request, frame


def read(body: bytes) -> Body:
    return Request("POST", "/", {}, body).json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'"x"',
        b"null",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b"[" * 200_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        read(body)
    assert (caught.value.status, caught.value.kind) == (400, "invalid_request")


@pytest.mark.parametrize("value", [b"true", b'"5"', b"[5]", b"5.5", b"0", b"1e400", b"1" * 400])
def test_an_integer_of_another_kind_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(EngineError, match="'n'"):
        read(b'{"n": ' + value + b"}").integer("n")


def test_absent_fields_are_none() -> None:
    body = read(b'{"a": null}')
    assert (body.integer("a"), body.text("a"), body.number("b"), body.flag("b", True)) == (None, None, None, True)


def test_unknown_keys_are_named() -> None:
    with pytest.raises(EngineError, match="'ttl'") as caught:
        read(b'{"model": "m", "ttl": 5}').only("model")
    assert caught.value.code == "unrecognized_keys"


def test_a_frame_is_one_line_of_data_whatever_is_in_it() -> None:
    assert frame({"content": "a\n\nb\ud800"}, "message.delta") == (
        b'event: message.delta\ndata: {"content": "a\\n\\nb\\ud800"}\n\n'
    )
