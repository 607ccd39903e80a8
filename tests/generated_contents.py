"""Contents of registries for tests: small ones by hand, and any that Hypothesis can think of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from registry.documents.content import Content, Fields, ModelId
from registry.naming import is_tag

SHELF, DESK, LOCAL = "http://shelf:1234", "http://desk:1234", "http://localhost:1234"
MOMENTS = [f"2026-0{month}-01T00:00:00Z" for month in (1, 2, 3)]

words = st.text(alphabet="abä/@ ", min_size=1, max_size=4)
moments = st.sampled_from(MOMENTS)


def model_id(key: str, server: str = SHELF, variant: str = "") -> ModelId:
    """A model on the server named "shelf"."""
    return ModelId(server, key, variant)


def content(*models: tuple[ModelId | str, Fields], **fields: Any) -> Content:
    """A content with these models, and the servers they are on."""
    made = {model_id(key) if isinstance(key, str) else key: dict(told) for key, told in models}
    names = {SHELF: "shelf", DESK: "desk", LOCAL: "here"}
    servers = {each.server: {"name": names[each.server], "enabled": True} for each in made if each.server}
    everything: dict[str, Any] = {"models": made, "servers": servers} | fields
    return Content(**everything)


def measured(size: int, moment: str = MOMENTS[0], **fields: Any) -> Fields:
    """The fields of a model whose context was tested."""
    return {"tested_context": size, "test_status": "tested", "last_tested": moment} | fields


models = st.fixed_dictionaries(
    {"name": words, "updated": moments, "added": st.just(MOMENTS[0])},
    optional={
        "notes": words,
        "declared_context": st.one_of(st.none(), st.integers(1, 3)),
        "favourite": st.booleans(),
        "tags": st.lists(words.filter(is_tag), unique=True, max_size=3).map(sorted),
        "opening_balance": st.fixed_dictionaries({"inferences": st.integers(1, 3), "last_used": moments}),
    },
)
results = st.one_of(st.just({"test_status": "untested"}), st.builds(measured, st.integers(1, 3), moments))
identities = st.builds(
    ModelId, st.sampled_from([SHELF, DESK, ""]), st.sampled_from(["a", "b/c", "ü"]), st.sampled_from(["", "q4", "q8"])
)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """A whole content: models on two servers and on none, with groups and profiles."""
    made = draw(st.dictionaries(identities, st.builds(lambda one, two: one | two, models, results), max_size=5))
    members = st.lists(st.sampled_from(sorted(made)), unique=True, max_size=3) if made else st.just([])
    group = st.fixed_dictionaries({"description": words, "models": members, "updated": moments})
    profile = st.fixed_dictionaries({"description": words, "preferred_models": st.just([]), "updated": moments})
    names = st.sampled_from(["x", "y"])
    return Content(
        servers={SHELF: {"name": "shelf", "enabled": True}, DESK: {"name": "desk", "enabled": True}},
        models=made,
        groups=draw(st.dictionaries(names, group, max_size=2)),
        profiles=draw(st.dictionaries(names, profile, max_size=2)),
    )
