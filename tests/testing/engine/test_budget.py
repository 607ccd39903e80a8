"""The memory formula, against what llama.cpp itself reported (MiB)."""

import pytest

from testing.engine.budget import (
    MIB,
    LoadSettings,
    compute_bytes,
    data_limit,
    gigabytes,
    kv_bytes,
    needed_bytes,
    process_bytes,
    round_up,
)
from testing.engine.gguf import Metadata

SMOLLM = Metadata(
    values={
        "general.architecture": "llama",
        "llama.block_count": 30,
        "llama.embedding_length": 576,
        "llama.feed_forward_length": 1536,
        "llama.attention.head_count": 9,
        "llama.attention.head_count_kv": 3,
    },
    offsets={},
    lengths={"tokenizer.ggml.tokens": 49_152},
    parameters=134_515_008,
    file_bytes=98_362_432,
)
GEMMA = Metadata(
    values={
        "general.architecture": "gemma3",
        "gemma3.block_count": 18,
        "gemma3.embedding_length": 640,
        "gemma3.feed_forward_length": 2048,
        "gemma3.attention.head_count": 4,
        "gemma3.attention.head_count_kv": 1,
        "gemma3.attention.key_length": 256,
        "gemma3.attention.value_length": 256,
        "gemma3.attention.sliding_window": 512,
    },
    offsets={},
    lengths={"tokenizer.ggml.tokens": 262_144},
    parameters=268_098_176,
    file_bytes=253 * MIB,
)


@pytest.mark.parametrize(
    ("context", "kv", "attention_on", "attention_off"),
    [
        (2048, 45, 16.6, 47.5),
        (4096, 90, 18.6, 87.5),
        (8192, 180, 22.6, 167.5),
        (16384, 360, 30.6, 327.5),
        (32768, 720, 46.6, 647.5),
        (65536, 1440, 78.6, 1287.5),
        (131072, 2880, 142.6, 2567.5),
    ],
)
def test_smollm_takes_what_was_measured(context: int, kv: float, attention_on: float, attention_off: float) -> None:
    assert kv_bytes(SMOLLM, LoadSettings(context)) / MIB == pytest.approx(kv, abs=0.01)
    assert compute_bytes(SMOLLM, LoadSettings(context)) / MIB == pytest.approx(attention_on, abs=0.01)
    off = LoadSettings(context, flash_attention=False)
    assert compute_bytes(SMOLLM, off) / MIB == pytest.approx(attention_off, abs=0.01)


@pytest.mark.parametrize(
    ("context", "kv", "compute"), [(2048, 21, 21.3), (8192, 39, 27.3), (32768, 111, 51.3), (131072, 399, 147.3)]
)
def test_sliding_window_layers_stop_growing(context: int, kv: float, compute: float) -> None:
    assert kv_bytes(GEMMA, LoadSettings(context)) / MIB == pytest.approx(kv, abs=0.01)
    assert compute_bytes(GEMMA, LoadSettings(context)) / MIB == pytest.approx(compute, abs=0.01)


@pytest.mark.parametrize(("model", "measured"), [(SMOLLM, 138.2), (GEMMA, 185.7)])
def test_the_process_constant_is_the_measured_one(model: Metadata, measured: float) -> None:
    assert process_bytes(model) / MIB == pytest.approx(measured, abs=0.05)


def test_a_budget_of_420_mib_holds_7424_tokens() -> None:
    fitting = [n for n in range(256, 16384, 256) if needed_bytes(SMOLLM, LoadSettings(n)) <= 420 * MIB]
    assert max(fitting) == 7424


@pytest.mark.parametrize(("asked", "allocated"), [(1, 256), (256, 256), (257, 512), (2049, 2304), (8190, 8192)])
def test_contexts_are_rounded_up_to_256(asked: int, allocated: int) -> None:
    assert round_up(asked) == allocated


def test_a_smaller_batch_takes_a_smaller_compute_buffer() -> None:
    small, usual = LoadSettings(8192, eval_batch_size=128), LoadSettings(8192)
    assert compute_bytes(SMOLLM, small) < compute_bytes(SMOLLM, usual)


def test_the_limit_of_the_process_leaves_mapped_weights_out_and_stacks_in() -> None:
    share, stack = 420 * MIB, 8 * MIB
    one, two = (data_limit(SMOLLM, share, threads, stack) for threads in (1, 2))
    assert two - one == stack
    assert one > share - SMOLLM.file_bytes


def test_an_unknown_model_gets_a_figure_too() -> None:
    other = Metadata(SMOLLM.values | {"llama.embedding_length": 2048, "llama.feed_forward_length": 8192}, {}, {}, 1, 1)
    assert compute_bytes(other, LoadSettings(2048)) > compute_bytes(SMOLLM, LoadSettings(2048))


def test_gigabytes_are_decimal_and_never_less() -> None:
    assert gigabytes(2_190_000_001) == "2.20 GB"
    assert gigabytes(430_000_000) == "0.43 GB"
