"""Listing, loading and unloading over /api/v1, with real models."""

import time
from typing import Any

import httpx
import psutil
import pytest

from tests.engines import OVERSTATED, PLAIN, Engine

pytestmark = pytest.mark.engine


def load(lm: httpx.Client, **body: Any) -> httpx.Response:
    return lm.post("/api/v1/models/load", json={"model": PLAIN, "context_length": 512} | body)


def instances(lm: httpx.Client, key: str = PLAIN) -> list[dict[str, Any]]:
    models = {model["key"]: model for model in lm.get("/api/v1/models").json()["models"]}
    found: list[dict[str, Any]] = models[key]["loaded_instances"]
    return found


def test_models_are_listed_as_lm_studio_does(lm: httpx.Client) -> None:
    models = {model["key"]: model for model in lm.get("/api/v1/models").json()["models"]}
    plain = models[PLAIN]
    assert (plain["type"], plain["architecture"], plain["format"]) == ("llm", "llama", "gguf")
    assert plain["quantization"] == {"name": "Q4_1", "bits_per_weight": 4}
    assert (plain["size_bytes"], plain["params_string"]) == (98_362_432, "135M")
    assert (plain["max_context_length"], models[OVERSTATED]["max_context_length"]) == (8192, 131_072)
    assert plain["loaded_instances"] == []


def test_a_load_says_what_was_loaded(lm: httpx.Client) -> None:
    answer = load(lm, eval_batch_size=256).json()
    assert (answer["type"], answer["status"], answer["instance_id"]) == ("llm", "loaded", PLAIN)
    assert answer["load_time_seconds"] > 0
    assert "load_config" not in answer
    config = instances(lm)[0]["config"]
    assert (config["context_length"], config["eval_batch_size"], config["flash_attention"]) == (512, 256, True)


def test_the_applied_config_is_echoed_when_asked(lm: httpx.Client) -> None:
    config = load(lm, context_length=300, flash_attention=False, echo_load_config=True).json()["load_config"]
    assert (config["context_length"], config["flash_attention"]) == (512, False)


def test_a_context_beyond_the_declared_one_is_capped_and_read_back(lm: httpx.Client) -> None:
    answer = load(lm, context_length=8448, echo_load_config=True).json()
    assert answer["load_config"]["context_length"] == 8192
    assert instances(lm)[0]["config"]["context_length"] == 8192


def test_loading_twice_makes_a_second_instance(lm: httpx.Client) -> None:
    assert [load(lm).json()["instance_id"] for _ in range(2)] == [PLAIN, f"{PLAIN}:2"]
    assert [instance["id"] for instance in instances(lm)] == [PLAIN, f"{PLAIN}:2"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"ttl": 60}, "ttl"),
        ({"context_length": 255}, "256"),
        ({"context_length": "512"}, "context_length"),
        ({"context_length": True}, "context_length"),
        ({"context_length": 10**30}, "context_length"),
        ({"flash_attention": 1}, "flash_attention"),
        ({"model": None}, "model"),
    ],
)
def test_a_wrong_load_request_is_refused_by_name(lm: httpx.Client, body: dict[str, Any], named: str) -> None:
    answer = load(lm, **body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request")
    assert named in answer.json()["error"]["message"]


def test_an_unknown_model_is_not_found(lm: httpx.Client) -> None:
    answer = load(lm, model="nobody/nothing")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "model_not_found")


def test_a_load_over_the_budget_is_refused_with_the_gigabytes(lm: httpx.Client) -> None:
    answer = load(lm, model=OVERSTATED, context_length=65_536)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (500, "model_load_failed")
    assert "insufficient system resources" in error["message"]
    assert "requires approximately 1.84 GB of memory" in error["message"]


def test_the_budget_is_shared_by_all_instances(lm: httpx.Client) -> None:
    assert load(lm, context_length=4096).status_code == 200
    assert load(lm, context_length=4096).status_code == 500
    assert load(lm, context_length=512).status_code == 200


def test_a_file_that_is_cut_off_fails_to_load_and_the_engine_goes_on(lm: httpx.Client) -> None:
    answer = load(lm, model="broken")
    assert answer.json()["error"]["type"] == "model_load_failed"
    assert "cannot be read" in answer.json()["error"]["message"]
    assert load(lm).status_code == 200


def test_unloading_ends_the_process(lm: httpx.Client, shared_engine: Engine) -> None:
    load(lm)
    answer = lm.post("/api/v1/models/unload", json={"instance_id": PLAIN})
    assert answer.json() == {"instance_id": PLAIN}
    assert instances(lm) == []
    assert psutil.Process(shared_engine.pid).children() == []


def test_an_unknown_instance_cannot_be_unloaded(lm: httpx.Client) -> None:
    answer = lm.post("/api/v1/models/unload", json={"instance_id": f"{PLAIN}:9"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "model_not_found")


def test_an_instance_that_dies_vanishes(lm: httpx.Client, shared_engine: Engine) -> None:
    load(lm)
    child = psutil.Process(shared_engine.pid).children()[0]
    child.kill()
    psutil.wait_procs([child], 5)
    until = time.monotonic() + 5  # the engine hears of it a moment later
    while instances(lm) and time.monotonic() < until:
        time.sleep(0.05)
    assert instances(lm) == []
    assert load(lm).json()["instance_id"] == PLAIN


def test_a_client_that_leaves_does_not_stop_the_load(lm: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        lm.post("/api/v1/models/load", json={"model": PLAIN, "context_length": 2048}, timeout=0.05)
    assert load(lm).json()["instance_id"] == f"{PLAIN}:2"
