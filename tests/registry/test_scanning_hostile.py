"""A server that answers wrong, at length, or with malice: a clear error on its scan, and nothing else."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from registry import jobs, scanning
from registry.models import Instance, Job, LanguageModel, Scan, Server
from tests.builders import make_server
from tests.scripted_http import HANG, RESET, answer, head, redirect
from tests.scripted_lmstudio import LIST, OLD_LIST, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]

JSON = {"Content-Type": "application/json"}
SHAPE = "gave an unusable answer when asked to list its models"
CHECK = "check that the address is an LM Studio server and that its version is supported"
DIGITS = "9" * 5000


def one_model(**fields: str) -> bytes:
    """A list of one model with these fields as raw JSON."""
    raw = {"key": '"evil"', "type": '"llm"'} | fields
    inner = ",".join(f'"{name}":{value}' for name, value in raw.items())
    return answer(f'{{"models":[{{{inner}}}]}}'.encode())


ENDLESS: Any = (head(200, JSON), b'{"models": [', *[b'{"key": "x"},' * 5_000] * 600, HANG)
NESTED = answer(b'{"models":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
ANSWERS: dict[str, tuple[Any, str, str]] = {
    "a web page": (answer("<!doctype html><html><body>It works!</body></html>"), "it is not JSON", CHECK),
    "nothing": (answer(b""), "it is not JSON", CHECK),
    "half a list": (answer(b'{"models": [{"key": "a", "type": "llm"}, {"k'), "it is not JSON", CHECK),
    "a cut connection": (
        [head(200, JSON | {"Content-Length": "5000"}), b'{"models": ['],
        "closed the connection when asked to list its models",
        "check that LM Studio's server is started",
    ),
    "a reset": ([RESET], "lost the connection|closed the connection|not HTTP", "check that"),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "it is not HTTP", CHECK),
    "an endless list": (ENDLESS, "it is longer than 32,000,000 bytes", CHECK),
    "not a number": (one_model(size_bytes="NaN"), "it holds NaN, which is not a number in JSON", CHECK),
    "a deep nest": (NESTED, "it is nested deeper than 100 levels", CHECK),
    "a huge number": (one_model(size_bytes=DIGITS), "it holds a number beyond 64 bits", CHECK),
    "a huge fraction": (one_model(size_bytes=f"1.{DIGITS}"), "it holds a number out of range", CHECK),
    "a key twice": (answer(b'{"models": [], "models": []}'), "it has the same key twice in one object", CHECK),
    "half a character": (one_model(name=r'"\ud800"'), "half a character", CHECK),
    "a list": (answer(["a"]), 'it has no list "models"', CHECK),
    "models as text": (answer({"models": "none"}), 'it has no list "models"', CHECK),
    "too many values": (answer(b"[" + b"0," * 2_000_001 + b"0]"), "it holds more than 2,000,000 values", CHECK),
    "credentials of a cloud": (
        redirect("http://169.254.169.254/latest/meta-data/"),
        "redirects to http://169.254.169.254/latest/meta-data/",
        "enter the final address of LM Studio itself",
    ),
    "an error with status 200": (
        answer({"error": "out of coffee"}),
        "out of coffee",
        "look at the server's own log for the cause",
    ),
    "a compressed bomb": (
        [head(200, JSON | {"Content-Encoding": "gzip"}), b"\x1f\x8b" * 1000],
        "sent a compressed answer although none was asked for",
        CHECK,
    ),
    "a broken proxy": (answer("<h1>502</h1>", 502), "is not answering behind its proxy", "check that"),
}


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("good")]) as server:
        server.put("good", 4096)
        yield server


@pytest.fixture
def server(studio: ScriptedLMStudio) -> Server:
    """A server that has been scanned once, and then turns bad."""
    server = make_server(name="shelf", base_url=studio.url)
    scan(server)
    return server


def scan(server: Server) -> Job:
    job = scanning.enqueue(server, door="test")
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def dump() -> str:
    """The tables a scan writes, as one canonical text."""
    rows = [list(table.objects.order_by("pk").values()) for table in (LanguageModel, Instance)]
    return json.dumps(rows, default=str, sort_keys=True)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_unusable_answer_is_a_clear_error_and_changes_nothing(
    server: Server, studio: ScriptedLMStudio, name: str
) -> None:
    reply, happened, remedy = ANSWERS[name]
    before, began = dump(), time.monotonic()
    studio.script(LIST, reply)
    job = scan(server)
    assert job.status == "failed"
    assert job.error.startswith(f"LM Studio at {studio.url} ")
    assert any(each in job.error for each in happened.split("|")), job.error
    assert remedy in job.error
    assert Scan.objects.get(job=job).error == job.error
    assert dump() == before
    assert time.monotonic() - began < 5


def test_an_endless_answer_takes_less_than_a_hundred_megabytes(server: Server, studio: ScriptedLMStudio) -> None:
    studio.script(LIST, ENDLESS)
    process, peak, done = psutil.Process(), 0, threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    job = scan(server)
    done.set()
    watcher.join()
    assert "longer than" in job.error
    assert peak - before < 100e6


def test_a_server_that_never_ends_its_answer_is_left_after_the_deadline(
    server: Server, studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "LISTING_SECONDS", 0.4)
    before = dump()
    studio.script(LIST, lambda request: itertools.chain([head(200, JSON)], itertools.cycle([b" ", 0.02])))
    job = scan(server)
    assert f"LM Studio at {studio.url} was not done within 0.4 s when asked to list its models" in job.error
    assert "try again when the server is less busy" in job.error
    assert dump() == before


@pytest.mark.parametrize("reply", [[HANG], [head(200, JSON), HANG]])
def test_a_server_that_falls_silent_is_left_after_the_deadline(
    server: Server, studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch, reply: Any
) -> None:
    monkeypatch.setattr(scanning, "LISTING_SECONDS", 0.4)
    studio.script(LIST, reply)
    began = time.monotonic()
    job = scan(server)
    assert (job.status, LanguageModel.objects.get().missing) == ("failed", False)
    assert time.monotonic() - began < 3


def test_an_older_list_that_is_hostile_too_changes_nothing(server: Server, studio: ScriptedLMStudio) -> None:
    before = dump()
    studio.script(LIST, answer("gone", 404))
    studio.script(OLD_LIST, NESTED)
    assert "nested deeper than 100 levels" in scan(server).error
    assert dump() == before


def test_an_address_of_a_cloud_is_never_connected_to() -> None:
    job = scan(make_server(base_url="http://169.254.169.254"))
    assert "is not allowed: 169.254.169.254 leads to 169.254.169.254, a link-local address" in job.error
    assert "use the address of the machine that runs LM Studio" in job.error


def test_the_other_servers_do_not_suffer(server: Server, studio: ScriptedLMStudio) -> None:
    studio.script(LIST, ENDLESS)
    with ScriptedLMStudio([model("fine")]) as other:
        make_server(name="fine", base_url=other.url)
        parent = scanning.enqueue_all(door="test")
        assert parent is not None
        for child in parent.children.all():
            jobs.run(child.pk)
    parent.refresh_from_db()
    assert (parent.status, parent.message) == ("failed", "2 of 2 done, 1 failed")
    assert LanguageModel.objects.filter(key="fine").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"params_string": f"{DIGITS[:400]}B"},
        {"architecture": "a" * 500},
        {"quantization": {"name": "q" * 500, "bits_per_weight": 1e15}},
        {"format": "f" * 500},
        {"publisher": "p" * 5000, "display_name": "n" * 5000, "description": "d" * 50_000},
        {"max_context_length": 2**53, "size_bytes": 2**53},
        {"capabilities": {"reasoning": {"allowed_options": ["r" * 500] * 1000}}},
        {"loaded_instances": [{"id": "same", "config": {"context_length": 8}}] * 3},
        {"loaded_instances": [{"id": "big", "config": {"context_length": 2**53, "num_experts": 2**53}}]},
        {"display_name": "<script>alert(1)</script>", "publisher": "'; DROP TABLE registry_languagemodel; --"},
        {"display_name": "\x1b[2J\x07\r\n\u202e"},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_values_at_their_limits_are_stored_or_cut_never_an_error(
    server: Server, studio: ScriptedLMStudio, fields: dict[str, Any]
) -> None:
    studio.models.append(model("odd") | fields)
    for _ in range(2):
        job = scan(server)
        assert (job.status, job.error) == ("succeeded", "")
    assert LanguageModel.objects.get(key="odd").missing is False


def test_a_key_that_looks_like_a_number_beyond_all_numbers_is_kept(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models.append(model(f"m-{DIGITS[:400]}b", params_string=None))
    assert scan(server).status == "succeeded"
    assert LanguageModel.objects.get(key__startswith="m-9").parameter_count is None


def test_a_context_no_model_has_is_unknown(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models[0]["loaded_instances"][0]["config"]["context_length"] = 2**40
    scan(server)
    assert Instance.objects.get().context_length is None


def test_bad_entries_are_named_and_the_good_ones_kept(server: Server, studio: ScriptedLMStudio) -> None:
    wrong: list[Any] = [
        {"key": 5, "type": "llm"},
        {"key": "x", "type": "llm", "size_bytes": True},
        "text",
        model("good"),
    ]
    studio.models += wrong
    job = scan(server)
    rejected = Scan.objects.get(job=job).rejected
    assert (job.status, job.message) == ("succeeded", "1 model, 4 unreadable")
    assert [text.partition(":")[0] for text in rejected] == [
        "models[1].key", "models[2].size_bytes", "models[3]", "models[4]",
    ]  # fmt: skip


def test_at_most_two_hundred_bad_entries_are_kept(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models += [{"key": number} for number in range(5000)]
    assert len(Scan.objects.get(job=scan(server)).rejected) == 200
