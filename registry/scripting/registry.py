"""A registry in the hands of a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry import editing, filtering, grouping, profiling, registries, resolving, tagging
from registry.models import Group, LanguageModel, Profile, Registry
from registry.scripting import reading
from registry.scripting.figures import Figures
from registry.scripting.keeping import Keeping
from registry.scripting.memory import MemorySettings
from registry.scripting.usage import Usage


class ModelRegistry(Keeping, MemorySettings, Usage):
    """The guide's registry: every method is one verb of LMStrix. Changes are immediate; a model is named by its id.

    A registry bound to a file is written back by `save()`, and by whole operations (import, restore, merge, sync).
    Raises ValueError with a sentence for people; ValidationError, one of them, for files and models that are wrong.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def __repr__(self) -> str:
        return f"<ModelRegistry {self.registry.name}>"

    @property
    def name(self) -> str:
        return self.registry.name

    def save(self) -> None:
        """Writes the file that this registry is bound to; without one everything is saved already."""
        registries.save_bound(self.registry)

    # models

    def list_models(self, filter: str = "") -> list[Figures]:
        """Each model as a flat dictionary (see `get_model_info`); `filter` is an expression like `status:tested`."""
        if not filter:
            return reading.infos(self.registry)
        models = LanguageModel.objects.filter(registry=self.registry)
        return reading.infos(self.registry, filtering.filtered(models, filter))

    def add_model(self, fields: Mapping[str, Any]) -> str:
        """Adds a model by hand, from the guide's fields; gives its id."""
        return editing.add_custom(self.registry, dict(fields)).public_id

    def get_model_info(self, model_id: str) -> Figures:
        """All that is known of one model; what is not known is left out (size and name are always there)."""
        return reading.info(self._model(model_id))

    def get_model_usage_stats(self, model_id: str) -> Figures:
        """inference_count, total_tokens_processed, avg_tokens_per_inference, total_inference_time (s), last_used."""
        return reading.usage(self._model(model_id))

    def get_model_performance(self, model_id: str) -> Figures:
        """avg_tokens_per_second, peak_memory_mb (MiB), load_time_seconds, test_duration (s) and more."""
        return reading.performance(self.get_model_info(model_id))

    # tags

    def add_tags(self, model_id: str, tags: Iterable[str]) -> None:
        tagging.add_tags([self._model(model_id)], _listed(tags))

    def remove_tags(self, model_id: str, tags: Iterable[str]) -> None:
        """Takes custom tags away; the automatic ones follow from facts and stay."""
        tagging.remove_tags([self._model(model_id)], _listed(tags))

    def get_models_by_tag(self, tag: str) -> list[str]:
        """Ids of the models with this tag, custom or automatic."""
        models = LanguageModel.objects.filter(registry=self.registry, tags__name__iexact=tag).distinct()
        return reading.ids_of(models.order_by("key", "pk"))

    # groups

    def create_group(self, name: str, model_ids: Sequence[str] = (), description: str = "") -> None:
        models = reading.models_named(self.registry, _listed(model_ids))
        grouping.create_group(self.registry, name, models, description=description)

    def add_to_group(self, name: str, *model_ids: str) -> None:
        group = grouping.group_named(self.registry, name)
        grouping.add_to_group(group, reading.models_named(self.registry, model_ids))

    def get_group(self, name: str) -> list[str]:
        """Ids of its models, in their order."""
        return _members(grouping.group_named(self.registry, name))

    def list_groups(self) -> dict[str, list[str]]:
        """Ids of the models of each group, by its name."""
        return {group.name: _members(group) for group in Group.objects.filter(registry=self.registry)}

    # profiles

    def create_profile(self, name: str, fields: Mapping[str, Any]) -> None:
        """Makes a profile, or changes the one of that name; see docs for the fields."""
        profiling.save_profile(self.registry, name, **fields)

    def get_profile(self, name: str) -> Figures:
        profile = profiling.profile_named(self.registry, name)
        names = [field.name for field in Profile._meta.fields if field.name not in ("id", "registry")]
        return Figures({field: getattr(profile, field) for field in names})

    def resolve_profile(self, name: str) -> Figures:
        """`model` and `runner_up` (ids, unknown when none fits) and `passed_over` (id -> reason)."""
        found = resolving.resolve(profiling.profile_named(self.registry, name))
        return Figures(
            model=found.model.public_id if found.model else None,
            runner_up=found.runner_up.public_id if found.runner_up else None,
            passed_over={model.public_id: reason for model, reason, _ in found.passed_over},
        )

    def _model(self, model_id: str) -> LanguageModel:
        return reading.model_named(self.registry, model_id)


def _listed(names: Iterable[str]) -> list[str]:
    """The names as a list; one text is one name, not its letters."""
    return [names] if isinstance(names, str) else list(names)


def _members(group: Group) -> list[str]:
    return reading.ids_of(member.model for member in group.members.select_related("model"))
