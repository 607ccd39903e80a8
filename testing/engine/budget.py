"""How much memory a load takes, computed before it is tried: the engine's guardrail.

    P(n)    = n rounded up to 256 (llama.cpp rounds too)
    kv      = layers * n_head_kv * (key_length + value_length) * 2 bytes * P(n)          f16; sliding-window layers
              hold at most P(window + n_ubatch) cells
    compute = C + n * n_ubatch * 2                   flash attention on   (C: 14.6 MiB SmolLM2, 19.3 gemma-3-270m)
            = C + n * n_ubatch * 4 * (n_head + 1)    off                  (C: 7.5 MiB, 14.3 MiB)
    needed  = file size + repacked weights + kv + compute + process constant

The formula agrees with llama.cpp's own log to 0.006 MiB in 56 loads of these two models. The process constant was
measured as the smallest RLIMIT_DATA that works: 138.2 MiB (SmolLM2), 185.7 MiB (gemma), the same at every size. It was
measured again with this wheel: VmData after a prompt at 2,048 and 8,192 is 136.9 MiB beyond kv + compute with
one thread, and 8.1 MiB more for a second one. That is the stack that glibc reserves per thread (RLIMIT_STACK): address
space, not memory, so it is no part of `needed` and is allowed for in `data_limit`. Other models: C and the constant
scale with feed-forward width and vocabulary; both laws give the two measured models back.
"""

import math
from dataclasses import dataclass

from testing.engine.gguf import Metadata

MIB = 2**20
GRAIN = 256
MICRO_BATCH = 512
LAYERS_PER_GLOBAL = 6  # gemma3: one layer in six sees the whole context
_COMPUTE_BASE = {("llama", 576): (14.6, 7.5), ("gemma3", 640): (19.3, 14.3)}  # MiB with, without flash attention
_REPACKED = {("gemma3", 640): 12.7}  # MiB
_SLACK = 16 * MIB  # rounding, allocator, and what the first request touches


@dataclass(frozen=True)
class LoadSettings:
    """What a load asks for; `context_length` in tokens."""

    context_length: int
    eval_batch_size: int = 512
    flash_attention: bool = True

    @property
    def micro_batch(self) -> int:
        """Tokens computed at once; llama.cpp never takes more than the batch."""
        return min(MICRO_BATCH, self.eval_batch_size)


def round_up(context_length: int) -> int:
    """The context that is really allocated: the next multiple of 256 tokens."""
    return -(-context_length // GRAIN) * GRAIN


def kv_bytes(model: Metadata, settings: LoadSettings) -> int:
    """The key/value cache, in bytes (f16)."""
    layers, heads = model.number("block_count"), model.number("attention.head_count")
    width = model.number("embedding_length") // max(1, heads)
    per_cell = model.number("attention.head_count_kv", heads) * 2
    per_cell *= model.number("attention.key_length", width) + model.number("attention.value_length", width)
    cells, window = round_up(settings.context_length), model.number("attention.sliding_window")
    if not window:
        return layers * per_cell * cells
    everywhere = layers // LAYERS_PER_GLOBAL
    windowed = min(cells, round_up(window + settings.micro_batch))
    return per_cell * (everywhere * cells + (layers - everywhere) * windowed)


def compute_bytes(model: Metadata, settings: LoadSettings) -> int:
    """The buffer for one micro-batch, in bytes."""
    batch, cells = settings.micro_batch, round_up(settings.context_length)
    width = model.number("feed_forward_length", 4 * model.number("embedding_length"))
    scaled = 4.87 * MICRO_BATCH * width * 4 / MIB
    bases = _COMPUTE_BASE.get(_known(model), (scaled, scaled))
    if settings.flash_attention:
        return int(bases[0] * MIB) + cells * batch * 2
    return int(bases[1] * MIB) + cells * batch * 4 * (model.number("attention.head_count") + 1)


def process_bytes(model: Metadata) -> int:
    """What a child takes beside weights, cache and compute buffer: a base and 234 bytes per known token."""
    return int((127.23 + 0.000223 * model.vocabulary) * MIB)


def needed_bytes(model: Metadata, settings: LoadSettings) -> int:
    """All the memory of one loaded instance, in bytes."""
    repacked = int(_REPACKED.get(_known(model), 0) * MIB)
    buffers = kv_bytes(model, settings) + compute_bytes(model, settings)
    return model.file_bytes + repacked + buffers + process_bytes(model)


def data_limit(model: Metadata, share_bytes: int, threads: int, stack_bytes: int) -> int:
    """RLIMIT_DATA for a child that may take `share_bytes` of the budget; mapped weights do not count under it."""
    return share_bytes - model.file_bytes + (threads - 1) * stack_bytes + _SLACK


def gigabytes(size: int) -> str:
    """Bytes as LM Studio writes them: 10^9, two decimals, rounded up so that it is never less than needed."""
    return f"{math.ceil(size / 1e7) / 100:.2f} GB"


def _known(model: Metadata) -> tuple[str, int]:
    return model.architecture, model.number("embedding_length")
