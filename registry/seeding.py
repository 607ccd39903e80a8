"""Fills a registry with plausible models for demonstrations and measurements; the same numbers give the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from django.db.models import Max

from registry import auditing, autotags, surveying, tagging
from registry.holding import holding
from registry.models import Group, GroupMember, Instance, LanguageModel, Profile, Registry, Server, Tag
from registry.models.language_model import CheckStatus, State

SOURCE = "demo"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
CHUNK = 2_000
GB = 10**9


class Line(NamedTuple):
    """A line of models as their makers publish them: sizes in billions of parameters, declared context in tokens."""

    publisher: str
    name: str
    architecture: str
    sizes: tuple[float, ...]
    context: int
    type: str = "chat"
    vision: bool = False
    tools: bool = False
    reasoning: bool = False


LINES = (
    Line("meta-llama", "llama-3.2-{size}-instruct", "llama", (1.2, 3.2), 131_072, tools=True),
    Line("meta-llama", "llama-3.1-{size}-instruct", "llama", (8, 70), 131_072, tools=True),
    Line("mistralai", "mistral-{size}-instruct-v0.3", "mistral", (7.2,), 32_768, tools=True),
    Line("mistralai", "mistral-small-3.2-{size}", "mistral3", (23.6,), 131_072, vision=True, tools=True),
    Line("qwen", "qwen3-{size}", "qwen3", (0.6, 1.7, 4, 8, 14, 32), 40_960, tools=True, reasoning=True),
    Line("qwen", "qwen3-coder-{size}", "qwen3moe", (30.5,), 262_144, "code", tools=True),
    Line("google", "gemma-3-{size}-it", "gemma3", (1, 4.3, 12.2, 27.4), 131_072, "vision", vision=True),
    Line("microsoft", "phi-4-{size}", "phi3", (3.8, 14.7), 16_384),
    Line("deepseek", "deepseek-r1-distill-qwen-{size}", "qwen2", (1.5, 7, 32.8), 131_072, reasoning=True),
    Line("codellama", "codellama-{size}-python", "llama", (7, 13, 34), 16_384, "code"),
    Line("openai", "gpt-oss-{size}", "gpt-oss", (20.9, 117), 131_072, tools=True, reasoning=True),
    Line("huggingface", "smollm2-{size}-instruct", "llama", (0.135, 0.36, 1.7), 8_192),
    Line("eleutherai", "pythia-{size}-base", "gptneox", (0.41, 1.4, 6.9), 2_048, "completion"),
    Line("nomic-ai", "nomic-embed-text-v1.5-{size}", "nomic-bert", (0.137,), 2_048, "embedding"),
)
QUANTIZATIONS = (("Q4_K_M", 4.85), ("Q5_K_M", 5.69), ("Q6_K", 6.56), ("Q8_0", 8.5), ("MXFP4", 4.25), ("F16", 16.0))
SERVERS = ("workstation", "mac-studio", "lab", "attic", "basement", "laptop", "rack-1", "rack-2")
CUSTOM_TAGS = ("production", "qa", "draft", "archive", "evaluate")
GROUPS = {"writers": "for letters and reports", "coders": "for programs", "small": "for the laptop"}
PROFILES: dict[str, dict[str, Any]] = {
    "quick_answers": {"max_context": 1024, "temperature": 0.3, "description": "Fast responses for simple questions"},
    "long_letters": {"max_context": 16_384, "temperature": 0.7, "min_tested_context": 32_768},
    "agents": {"needs": ["tools"], "min_tokens_per_second": 20.0},
}


def seed(registry: Registry, count: int, *, servers: int = 4, add: bool = False) -> int:
    """Writes `count` models on `servers` disabled servers, with results, tags, groups and profiles.

    ValueError when the registry has models already, unless they are to be added to.
    """
    if (there := registry.models.count()) and not add:
        raise ValueError(f"Registry {registry} has {there:,} models already; --add puts the new ones beside them.")
    if count < 1 or not 1 <= servers <= len(SERVERS):
        raise ValueError(f"Ask for 1 model or more, on 1 to {len(SERVERS)} servers.")
    first = (registry.models.aggregate(last=Max("pk"))["last"] or 0) + 1 if there else 0
    chance = Random(f"{first} {count} {servers}")  # noqa: S311  (numbers for show, no secrets)
    with holding(registry) as held:
        places = [_server(name) for name in SERVERS[:servers]]
        models = [_model(held, places, chance, number) for number in range(first, first + count)]
        LanguageModel.objects.bulk_create(models, batch_size=CHUNK)
        Tag.objects.bulk_create(_derived(models), batch_size=CHUNK)
        _label(models, chance)
        _arrange(held, models)
        held.touch()
        surveying.survey()
        auditing.note("add", held, registry=held, summary=f"{count:,} models for demonstration")
    return count


def _server(name: str) -> Server:
    """Disabled, at an address that exists nowhere: nothing ever asks it."""
    place = {"base_url": f"http://{name}.invalid:1234", "enabled": False, "memory_limit_bytes": 64 * GB}
    return Server.objects.get_or_create(name=f"demo {name}", defaults=place)[0]


def _model(registry: Registry, servers: list[Server], chance: Random, number: int) -> LanguageModel:
    line = chance.choice(LINES)
    billions = chance.choice(line.sizes)
    quantization, bits = chance.choice(QUANTIZATIONS)
    size = f"{billions:g}b" if billions >= 1 else f"{billions * 1000:g}m"
    name = line.name.format(size=size)
    model = LanguageModel(
        registry=registry, server=servers[number % len(servers)], key=f"{line.publisher}/{name}-{number:06}",
        name=f"{name} {number:06}", publisher=line.publisher, type=line.type, type_derived=line.type != "embedding",
        architecture=line.architecture, parameters=size.upper(), parameter_count=int(billions * 1e9),
        quantization=quantization, bits_per_weight=bits, size_bytes=int(billions * 1e9 * bits / 8), format="gguf",
        declared_context=line.context, vision=line.vision, tool_use=line.tools,
        reasoning_options=["on", "off"] if line.reasoning else [], source=SOURCE, favourite=chance.random() < 0.02,
        added=NOW - timedelta(minutes=chance.randrange(500_000)), last_seen=NOW,
    )  # fmt: skip
    if line.type != "embedding" and chance.random() < 0.7:
        _tested(model, billions, chance)
    model.missing = chance.random() < 0.02
    if not model.missing and chance.random() < 0.01:
        model.state = State.LOADED
    return model


def _tested(model: LanguageModel, billions: float, chance: Random) -> None:
    """What a test could have found: small models hold all they declare, large ones what the memory leaves."""
    declared, size = model.declared_context or 0, model.size_bytes or 0
    model.last_tested = NOW - timedelta(minutes=chance.randrange(200_000))
    model.test_iterations, model.test_duration = chance.randrange(2, 14), round(chance.uniform(20, 900), 1)
    if chance.random() < 0.05:
        model.test_status, model.test_verdict = CheckStatus.FAILED, chance.choice(("out of memory", "crashed"))
        return
    share = 1.0 if chance.random() < 0.5 else chance.uniform(0.2, 1)
    tested = max(int(declared * share) // 256 * 256, 1024)
    model.test_status, model.test_verdict, model.tested_context = CheckStatus.TESTED, "verified", tested
    model.usable_context = int(tested * chance.uniform(0.6, 1)) // 256 * 256
    model.tokens_per_second = round(chance.uniform(120, 260) / (1 + billions / 6), 1)
    model.ttft_seconds, model.load_seconds = round(tested / 4_000, 2), round(size / GB * 0.8 + 0.4, 1)
    model.peak_memory_bytes = size + int(tested * 40_000 * (1 + billions / 20))
    if chance.random() < 0.03:
        model.stale, model.stale_reason = True, "the file changed since the test"


def _derived(models: list[LanguageModel]) -> Iterator[Tag]:
    """What `tagging.derive_tags` would write, without looking for tags that new models cannot have yet."""
    for model in models:
        for tag in autotags.derive(tagging.facts_of(model)):
            yield Tag(model=model, name=tag.name, family=tag.family, reason=tag.reason)


def _label(models: list[LanguageModel], chance: Random) -> None:
    """Tags of people on every tenth model, and a loaded copy of those that are loaded."""
    labelled = chance.sample(models, len(models) // 10)
    Tag.objects.bulk_create((Tag(model=model, name=chance.choice(CUSTOM_TAGS)) for model in labelled), batch_size=CHUNK)
    Instance.objects.bulk_create(_copies(models), batch_size=CHUNK)


def _copies(models: list[LanguageModel]) -> Iterator[Instance]:
    for model in models:
        if model.state == State.LOADED and model.server is not None:
            size = min(model.tested_context or 4096, model.declared_context or 4096)
            yield Instance(server=model.server, model=model, instance_id=model.key, context_length=size)


def _arrange(registry: Registry, models: list[LanguageModel]) -> None:
    """Groups and profiles, as far as there are none of their names."""
    chosen = {
        "writers": [model for model in models if model.type == "chat"],
        "coders": [model for model in models if model.type == "code"],
        "small": [model for model in models if (model.parameter_count or 0) < 2 * GB],
    }
    for name, description in GROUPS.items():
        group, new = Group.objects.get_or_create(registry=registry, name=name, defaults={"description": description})
        if new:
            members = enumerate(chosen[name][:20])
            GroupMember.objects.bulk_create(GroupMember(group=group, model=model, position=n) for n, model in members)
    for name, fields in PROFILES.items():
        preferred = [model.key for model in chosen["writers"][:3]]
        Profile.objects.get_or_create(registry=registry, name=name, defaults={"preferred_models": preferred, **fields})
