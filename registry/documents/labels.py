"""Which tags of a model follow from its facts, and which are its people's."""

from __future__ import annotations

from registry import autotags
from registry.documents.content import Fields, ModelId


def automatic_tags(model: ModelId, fields: Fields) -> list[str]:
    """The names of the tags that follow from a model's facts."""
    get = fields.get
    facts = autotags.Facts(
        key=model.key,
        name=get("name") or "",
        description=get("description") or "",
        type=get("type") or "",
        type_derived=bool(get("type_derived")),
        architecture=get("architecture") or "",
        parameters=get("parameters") or "",
        parameters_derived=bool(get("parameters_derived")),
        parameter_count=get("parameter_count"),
        vision=get("vision"),
        tool_use=get("tool_use"),
        reasoning_options=tuple(get("reasoning_options") or ()),
        tokens_per_second=get("tokens_per_second"),
        stale=bool(get("stale")),
    )
    return [tag.name for tag in autotags.derive(facts)]


def custom_tags(model: ModelId, fields: Fields, tags: list[str]) -> list[str]:
    """Those of all tags of a model that its people gave it: what the rules do not derive."""
    return sorted(set(tags).difference(automatic_tags(model, fields)))
