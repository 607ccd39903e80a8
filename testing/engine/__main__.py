"""`python -m testing.engine`: the embedded engine on its own, without Django."""

import argparse
import logging
import os
from pathlib import Path

from testing.engine.http import serve


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def main() -> None:
    """Parse the command line and serve until told to end; exit code 1 when the port cannot be had."""
    parser = argparse.ArgumentParser(prog="engine", description="An LM Studio-compatible server with a memory budget.")
    parser.add_argument("--port", type=int, default=1234, help="0 = any free one (default: 1234)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--budget-mb", type=_positive, default=512, help="MiB for all loaded models together")
    parser.add_argument("--token", default=os.environ.get("LMSTRIX_ENGINE_TOKEN"), help="demand this bearer token")
    parser.add_argument("--data-dir", type=Path, help="where copies of models are kept")
    parser.add_argument("--threads", type=_positive, help="for a model that is loaded alone (default: all cores)")
    parser.add_argument("models", nargs="*", type=Path, help="more GGUF files to offer")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="engine: %(message)s")
    try:
        serve(
            options.port, options.host, options.budget_mb, options.token, options.data_dir, options.threads,
            options.models,
        )  # fmt: skip
    except OSError as error:
        parser.exit(1, f"engine: cannot listen on {options.host}:{options.port}: {error}\n")


if __name__ == "__main__":
    main()
