"""What LM Studio's error texts mean."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from registry.lmstudio import errors
from registry.lmstudio.refusals import Report, error_for, needed_bytes, read_report

SERVER = "http://box:1234"
GUARDRAIL = "Model loading was stopped due to insufficient system resources. Under the current settings, this model"


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        (f"{GUARDRAIL} requires approximately 19.51 GB of memory. Continuing", 19_510_000_000),
        ("requires approximately 8 GB of memory", 8_000_000_000),
        ("this model requires approximately 512.5 MB of memory", 512_500_000),
        ("requires approximately 2 GiB of memory", 2 * 2**30),
        ("Needs 1,234.5 GB", 1_234_500_000_000),
        ("estimated memory: 12,5 GB", 12_500_000_000),
        ("required: 3.25GB", 3_250_000_000),
        ("requires approximately 1.2 TB of memory", 1_200_000_000_000),
        ("ggml_aligned_malloc: insufficient memory (attempted to allocate 2880.00 MB)", None),
        ("insufficient memory", None),
        ("requires approximately NaN GB of memory", None),
        ("requires approximately -3 GB of memory", None),
        ("requires approximately 0 GB of memory", None),
        ("requires approximately 99999999999999999999 GB of memory", None),
        ("Model 7B needs an update", None),
    ],
)
def test_the_memory_needed_is_read_or_unknown(message: str, needed: Any) -> None:
    assert needed_bytes(message) == needed


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (f"{GUARDRAIL} requires approximately 19.51 GB of memory.", errors.OutOfMemory),
        ("llama_init: failed to allocate buffer for kv cache", errors.OutOfMemory),
        ("ggml_aligned_malloc: insufficient memory (attempted to allocate 2880.00 MB)", errors.OutOfMemory),
        ("CUDA error: out of memory", errors.OutOfMemory),
        ("Not enough GPU memory for this model", errors.OutOfMemory),
        ("got exception: std::bad_alloc", errors.OutOfMemory),
        ("request (3030 tokens) exceeds the available context size (1024 tokens)", errors.ContextTooLong),
        (
            "The number of tokens to keep from the initial prompt is greater than the context length",
            errors.ContextTooLong,
        ),
        ("Trying to keep the first 9 tokens when context the overflows.", errors.ContextTooLong),
        ("Context length of 4096 exceeded", errors.ContextTooLong),
        ("Reached context length of 4096 tokens with this model", errors.ContextTooLong),
        ('Invalid model identifier "x". Please specify a valid downloaded model', errors.ModelNotFound),
        ('Model "x" not found.', errors.ModelNotFound),
        ("No models loaded. Please load a model in the developer page", errors.ModelNotFound),
        ("Unexpected endpoint or method. (POST /api/v1/chat)", errors.Unsupported),
        ("Unrecognized key(s) in object: 'ttl'", errors.Unsupported),
        ("The model has crashed without additional information. (Exit code: 6)", errors.LoadFailed),
        ("tensor 'x' data is not within the file bounds, model is corrupted", errors.LoadFailed),
        ("Something new", errors.LoadFailed),
    ],
)
def test_a_message_means_an_error(message: str, kind: Any) -> None:
    assert type(error_for(SERVER, Report(message), "load", loading=True)) is kind


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        (Report("x", "model_not_found"), errors.ModelNotFound),
        (Report("x", "not_implemented"), errors.Unsupported),
        (Report("tensor not found in model: file not found", "model_load_failed"), errors.LoadFailed),
        (Report("x", code="invalid_api_key"), errors.Unauthorized),
        (Report("Invalid API token", "invalid_request"), errors.Unauthorized),
        (Report("x", "authentication_error"), errors.Unauthorized),
        (Report("x", "exceed_context_size_error"), errors.ContextTooLong),
        (Report("no such route", status=404), errors.Unsupported),
        (Report("x", "internal_error"), errors.LMStudioError),
    ],
)
def test_a_type_or_code_means_an_error(report: Any, kind: Any) -> None:
    assert type(error_for(SERVER, report, "chat")) is kind


@pytest.mark.parametrize("kind", [errors.LMStudioError, *errors.LMStudioError.__subclasses__()])
def test_every_error_is_one_sentence_that_names_the_server_and_a_remedy(kind: Any) -> None:
    error = kind(SERVER, "did something odd.")
    assert str(error) == f"LM Studio at {SERVER} did something odd; {kind.remedy}."
    assert kind(SERVER, "x", "dance").remedy == "dance"


def test_an_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(errors.OutOfMemory(SERVER, "is full", needed_bytes=5)))  # noqa: S301
    assert (str(error).startswith("LM Studio at"), error.needed_bytes, error.server) == (True, 5, SERVER)


def test_a_message_is_shortened_to_one_printable_line() -> None:
    report = read_report({"error": "a\x1b[31m\n\u202eb" + "x" * 9000})
    assert report is not None
    assert report.message.startswith("a [31m b")
    assert len(report.message) == 500
