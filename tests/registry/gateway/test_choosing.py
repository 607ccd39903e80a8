"""Who answers a request: fitting, free, in memory, least busy."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from registry.gateway import asking
from registry.gateway.choosing import choose
from registry.gateway.refusals import Refusal
from registry.gateway.routes import InstanceRoute, Meaning, ModelRoute, ServerRoute

A, B = ServerRoute(1, "a", "http://a"), ServerRoute(2, "b", "http://b")


def asked(length: int = 40) -> asking.Asked:
    return asking.read("/v1/completions", orjson.dumps({"model": "m", "prompt": "x" * length}))


def model(pk: int, key: str = "m", server: ServerRoute = A, *, copies: int = 1, **fields: Any) -> ModelRoute:
    own = tuple(InstanceRoute(f"{key}:{n}", f"{server.pk}:{key}:{n}", 8192) for n in range(copies))
    return ModelRoute(pk, key, server, **{"instances": own} | fields)


def chosen(*models: ModelRoute, busy: dict[str, int] | None = None, strict: bool = False, length: int = 40) -> str:
    choice = choose(Meaning(models, strict), asked(length), busy or {})
    return choice.instance.key if choice.instance else f"load {choice.model.pk}"


def test_of_two_servers_the_less_busy_one_answers() -> None:
    both = model(1), model(2, server=B)
    assert chosen(*both, busy={"1:m:0": 2, "2:m:0": 1}) == "2:m:0"
    assert chosen(*both, busy={"2:m:0": 1}) == "1:m:0"


def test_of_two_copies_the_less_busy_one_answers() -> None:
    assert chosen(model(1, copies=2), busy={"1:m:0": 1}) == "1:m:1"


def test_a_copy_in_memory_goes_before_a_load() -> None:
    assert chosen(model(1, copies=0), model(2, server=B), busy={"2:m:0": 9}) == "2:m:0"


def test_what_is_not_in_memory_is_loaded_where_least_is_going_on() -> None:
    assert chosen(model(1, copies=0), model(2, server=B, copies=0), busy={"1:other": 1}) == "load 2"


def test_a_draining_copy_gets_nothing_new() -> None:
    leaving = InstanceRoute("m", "1:m", 8192, draining=True)
    assert chosen(model(1, instances=(leaving,)), model(2, server=B)) == "2:m:0"
    assert chosen(model(1, instances=(leaving,))) == "load 1"


def test_a_group_takes_the_first_in_memory_and_a_profile_the_first() -> None:
    models = model(1, "x", copies=0), model(2, "y"), model(3, "z")
    assert chosen(*models) == "1:y:0"
    assert chosen(*models, strict=True) == "load 1"


def test_the_same_model_elsewhere_stands_for_the_first_of_a_group() -> None:
    models = model(1, "x"), model(2, "y"), model(3, "x", B)
    assert chosen(*models, busy={"1:x:0": 1}) == "2:x:0"


def test_a_server_that_does_not_answer_is_the_last_resort() -> None:
    silent = ServerRoute(3, "c", "http://c", reachable=False)
    assert chosen(model(1, server=silent), model(2, copies=0)) == "load 2"
    assert chosen(model(1, server=silent)) == "3:m:0"


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(
        Refusal, match=r"about 10,000 tokens \(40,000 characters\).*m on a is verified to 8,192 tokens"
    ) as caught:
        chosen(model(1, window=8192), length=40_000)
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")


def test_a_prompt_goes_where_it_fits() -> None:
    assert chosen(model(1, "x", window=4096), model(2, "y", window=32_768), length=32_000) == "1:y:0"
    assert chosen(model(1, "x", window=4096), model(2, "y", window=None), length=32_000) == "1:y:0"


def test_measured_characters_per_token_decide() -> None:
    assert chosen(model(1, window=8192, characters_per_token=5.0), length=40_000) == "1:m:0"


def test_a_prompt_that_does_not_fit_what_is_loaded_is_refused_with_that_number() -> None:
    small = (InstanceRoute("m", "1:m", 2048),)
    for window in (None, 8192):
        with pytest.raises(Refusal, match=r"about 5,000 tokens.*m on a is loaded with 2,048 tokens.*load it with more"):
            chosen(model(1, instances=small, window=window), length=20_000)
    with pytest.raises(Refusal, match="verified to 4,096 tokens"):
        chosen(model(1, window=4096), length=20_000)


def test_an_estimate_is_rough_so_a_tenth_more_is_let_through_and_less_where_it_was_measured() -> None:
    assert chosen(model(1, window=1000), length=4400) == "1:m:0"
    with pytest.raises(Refusal, match="about 1,101 tokens"):
        chosen(model(1, window=1000), length=4404)
    assert chosen(model(1, window=1000, characters_per_token=4.0), length=4080) == "1:m:0"
    with pytest.raises(Refusal, match="about 1,021 tokens"):
        chosen(model(1, window=1000, characters_per_token=4.0), length=4084)


def test_a_copy_with_room_is_preferred_to_one_that_may_just_hold_it() -> None:
    tight, roomy = model(1, "x", instances=(InstanceRoute("x", "1:x", 1000),)), model(2, "y")
    for strict in (False, True):
        assert chosen(tight, roomy, length=4200, strict=strict) == "1:y:0"
        assert chosen(tight, roomy, length=4000, strict=strict) == "1:x"
    with pytest.raises(Refusal, match=r"y on a has the largest window: it is loaded with 8,192 tokens"):
        chosen(tight, roomy, length=80_000)


def test_a_copy_that_was_loaded_large_enough_is_preferred() -> None:
    small, large = InstanceRoute("m", "1:m", 2048), InstanceRoute("m:2", "1:m:2", 16_384)
    assert chosen(model(1, instances=(small, large)), busy={"1:m:2": 5}, length=40_000) == "1:m:2"


def test_an_experiment_keeps_its_server_to_itself() -> None:
    taken = ServerRoute(1, "a", "http://a", experiment="Context test of m (job 7)", seconds_left=42)
    assert chosen(model(1, server=taken), model(2, server=B, copies=0)) == "load 2"
    with pytest.raises(Refusal, match=r"Context test of m \(job 7\), for about 42 s") as caught:
        chosen(model(1, server=taken))
    assert caught.value.status == 503
    assert (b"retry-after", b"42") in caught.value.headers


def test_a_server_without_a_readable_token_is_named() -> None:
    broken = ServerRoute(1, "a", "http://a", fault="its token cannot be read any more; enter it again")
    with pytest.raises(Refusal, match="a: its token cannot be read"):
        chosen(model(1, server=broken))


@pytest.mark.parametrize(
    ("body", "characters"),
    [
        ({"messages": [{"role": "user", "content": "x" * 84}]}, 100),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 84}, {"type": "image_url"}]}]}, 100),
        ({"messages": [], "tools": [{"a": 1}]}, len(b'[{"a":1}]')),
        ({"messages": "nonsense"}, 0),
        ({"messages": [None, {"content": None}]}, 16),
    ],
)
def test_the_length_of_a_chat_is_that_of_its_texts(body: dict[str, Any], characters: int) -> None:
    assert asking.read("/v1/chat/completions", orjson.dumps({"model": "m", **body})).characters == characters


def test_of_many_inputs_each_has_to_fit() -> None:
    request = asking.read("/v1/embeddings", orjson.dumps({"model": "m", "input": ["x" * 40, "x" * 400, [1] * 10]}))
    assert (request.longest, request.characters) == (400, 480)


@pytest.mark.parametrize("name", ["a\x00b", "x" * 1201, "a\nb"])
def test_a_name_that_no_model_can_have_is_not_looked_for(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        asking.read("/v1/completions", orjson.dumps({"model": name, "prompt": "x"}))
    assert caught.value.status == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"model": 1}', b"{}", b'{"model": ""}', b"\xff", b"NaN"])
def test_a_body_that_cannot_be_meant_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        asking.read("/v1/chat/completions", body)
    assert caught.value.status == 400
