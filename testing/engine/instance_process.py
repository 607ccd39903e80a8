"""The child: one process that hosts one loaded model with llama.cpp's own HTTP server.

Started by path with one JSON argument; prints one JSON line `{"url": ...}` when the model is loaded, and ends when its
standard input does. It imports nothing of the project, so that it is small and quick to start.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask Linux to kill this process when the engine dies, also by SIGKILL (elsewhere the end of stdin must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(data_bytes: int | None) -> None:
    """Make the kernel refuse private memory beyond `data_bytes`; file-mapped weights do not count."""
    if data_bytes is not None and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))


def server_parameters(settings: dict[str, Any]) -> Any:
    """llama.cpp's parameters; what is set here has a default that bites (a host prompt cache of 8 GiB, auto-fit)."""
    xllamacpp: Any = importlib.import_module("xllamacpp")  # after the limit is set; it has no types
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.n_ctx = settings["n_ctx"]
    params.n_batch = settings["n_batch"]
    params.n_ubatch = settings["n_ubatch"]
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.n_threads_http = 2
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    params.fit_params = False
    params.warmup = False
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = 2
    params.ui = False
    params.endpoint_slots = True
    attention = "ENABLED" if settings["flash_attention"] else "DISABLED"
    params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{attention}")
    params.embedding = settings["embedding"]
    return params


def main() -> None:
    """Load, say so, and live until stdin ends. Any exit before the line is a failed load."""
    end_with_parent()
    settings = json.loads(sys.argv[1])
    limit_memory(settings["data_limit_bytes"])
    parameters = server_parameters(settings)
    server = importlib.import_module("xllamacpp").Server(parameters)
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # No destructors: they can take seconds, and the kernel returns the memory at once.
    os._exit(0)


if __name__ == "__main__":
    main()
