"""Facts of a model that are derived from what LM Studio says, each by a written rule; pure."""

import re
from dataclasses import dataclass

from registry.lmstudio.wire import ReportedModel

CODE_WORDS = re.compile(r"(?<![a-z])(code|coder|codellama|starcoder|codestral|devstral|codegemma)(?![a-z])")
CHAT_WORDS = re.compile(r"(?<![a-z])(instruct|chat|it|assistant|thinking|reasoning)(?![a-z])")
BASE_WORDS = re.compile(r"(?<![a-z])(base|pt|pretrained|completion)(?![a-z])")
SIZE_WORD = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)\s?([mbt])(?![a-z0-9])")
# facts that are only told together
TOGETHER = {
    "type": ("type", "type_derived"),
    "parameters": ("parameters", "parameters_derived", "parameter_count"),
}
UNITS = {"m": 10**6, "b": 10**9, "t": 10**12}


@dataclass(frozen=True)
class Parameters:
    """Number of parameters as text ("3.2B"), as a number, and whether it was read from the name."""

    text: str = ""
    count: int | None = None
    derived: bool = False


def model_type(model: ReportedModel) -> tuple[str, bool]:
    """What the model is for, and whether that is derived: LM Studio tells only embeddings and vision apart.

    Rules, first match: embedding as told; vision as told by its capabilities; "code" or "coder" in the name; "base"
    in the name is completion; everything else answers chats (LM Studio applies a chat template to all).
    """
    name = f"{model.key} {model.display_name or ''}".lower()
    if model.type == "embedding":
        return "embedding", False
    if model.vision:
        return "vision", False
    if CODE_WORDS.search(name):
        return "code", True
    if BASE_WORDS.search(name) and not CHAT_WORDS.search(name):
        return "completion", True
    return "chat", True


def parameters(model: ReportedModel) -> Parameters:
    """As told (`params_string`), else a size word in the name ("llama-3.2-3b" is 3B); nothing is guessed."""
    if model.params_string:
        return Parameters(model.params_string, count_of(model.params_string))
    found = SIZE_WORD.findall(model.key.lower())
    if not found:
        return Parameters()
    text = f"{found[-1][0]}{found[-1][1].upper()}"
    return Parameters(text, count_of(text), derived=True)


def count_of(text: str) -> int | None:
    """The number behind "7B", "135M" or "26B-A4B" (the total counts); None when there is none."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)\s?([MBT])", text, re.IGNORECASE)
    if not found:
        return None
    count = float(found[1]) * UNITS[found[2].lower()]
    return round(count) if count < 2**63 else None
