"""Writes the models of a Content with their tags, and what other apps keep of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet

from registry import inserting, tagging
from registry.contents import ATTACHED, MODEL, custom_tags, rows, settled_status
from registry.documents.content import Content, Fields, ModelId
from registry.models import LanguageModel, Registry, Tag
from registry.models.language_model import CheckStatus
from registry.placing import BY_HAND, matched

BATCH = 500
Note = Callable[..., None]
Wanted = Mapping[ModelId, Fields]
Known = dict[ModelId, tuple[int, Fields]]  # primary key and columns of what there is


@dataclass(frozen=True)
class Place:
    """A registry that is written, and the primary keys of all servers by their base URL."""

    registry: Registry
    servers: Mapping[str, int]

    @property
    def models(self) -> QuerySet[LanguageModel]:
        return LanguageModel.objects.filter(registry=self.registry).order_by()

    @property
    def addresses(self) -> dict[int, str]:
        return {pk: base_url for base_url, pk in self.servers.items()}

    def row(self, identity: ModelId, fields: Fields, pk: int | None = None) -> LanguageModel:
        """A model as `fields` tell it, not saved."""
        untold = {"name": identity.key} if identity.server else {"name": identity.key, "source": BY_HAND}
        server = self.servers[identity.server] if identity.server else None
        return LanguageModel(
            pk=pk, registry=self.registry, server_id=server, key=identity.key, variant=identity.variant,
            **untold | MODEL.values(fields),
        )  # fmt: skip


def write(held: Registry, target: Content, servers: Mapping[str, int], note: Note) -> dict[ModelId, int]:
    """Makes the models what `target` tells; gives their primary keys by identity."""
    place = Place(held, servers)
    known: Known = {identity: (pk, fields) for pk, identity, fields in rows(place.models, place.addresses)}
    for identity, old in matched(known, target.models).items():
        pk, fields = known.pop(old)
        known[identity] = pk, fields | {"variant": old.variant}
    testing = set(place.models.filter(test_status=CheckStatus.TESTING).values_list("pk", flat=True))
    gone = {known.pop(identity)[0]: identity for identity in known.keys() - target.models.keys()}
    _delete(place, gone, testing)
    wanted = {identity: _settled(fields) for identity, fields in target.models.items()}
    changed = _change(place, wanted, known, testing)
    added = _add(place, {identity: fields for identity, fields in wanted.items() if identity not in known})
    pks = {identity: pk for identity, (pk, _) in known.items()} | added
    changed |= _label(place, {pks[identity]: fields for identity, fields in wanted.items()}) - {*added.values()}
    note("model", len(added), len(changed), len(gone))
    for name, attachment in ATTACHED.items():
        told = {pks[identity]: fields[name] for identity, fields in wanted.items() if fields.get(name) is not None}
        note(name, *attachment.write(place.models, told))
    return pks


def _settled(fields: Fields) -> Fields:
    """A test that runs in another registry, or ran when a file was written, does not run here."""
    if fields.get("test_status") == CheckStatus.TESTING:
        return fields | {"test_status": settled_status(fields)}
    return fields


def _delete(place: Place, gone: Mapping[int, ModelId], testing: set[int]) -> None:
    if busy := [identity.key for pk, identity in gone.items() if pk in testing]:
        raise ValueError(
            f"{', '.join(busy[:5])} would be deleted and is being tested; nothing was changed. Cancel the test first."
        )
    pks = list(gone)
    for start in range(0, len(pks), BATCH):
        place.models.filter(pk__in=pks[start : start + BATCH]).delete()


def _change(place: Place, wanted: Wanted, known: Known, testing: set[int]) -> set[int]:
    """Writes what differs of the models that are there; their primary keys."""
    differing: dict[tuple[str, ...], list[LanguageModel]] = defaultdict(list)
    for identity, (pk, before) in known.items():
        changes = MODEL.changes(before, wanted[identity])
        if pk in testing:
            changes.pop("test_status", None)  # the test under way writes it
        if "variant" in before:
            changes["variant"] = identity.variant
        if changes:
            differing[tuple(changes)].append(place.row(identity, before | changes, pk))
    for names, models in differing.items():
        inserting.insert(models, unique=["id"], update=names)
        if not {*names}.isdisjoint(tagging.READ):
            tagging.derive_tags(models)
    return {model.pk for models in differing.values() for model in models}


def _add(place: Place, wanted: Wanted) -> dict[ModelId, int]:
    """Writes models that are new; their primary keys."""
    if not wanted:
        return {}
    new = {identity: place.row(identity, fields) for identity, fields in wanted.items()}
    inserting.insert(list(new.values()))
    addresses = place.addresses
    for pk, server, key, variant in place.models.values_list("pk", "server_id", "key", "variant"):
        if model := new.get(ModelId(addresses[server] if server else "", key, variant)):
            model.pk = pk
    tagging.derive_tags(new.values())
    return {identity: model.pk for identity, model in new.items()}


def _label(place: Place, wanted: Mapping[int, Fields]) -> set[int]:
    """Makes the custom tags what is told; the primary keys of the models that have others now."""
    before = custom_tags(place.models)
    changed, new = set(), []
    for pk, fields in wanted.items():
        had = before.get(pk, [])
        names: list[str] = fields["tags"] if fields.get("tags") is not None else had
        if names != had and {*names} != {*had}:
            changed.add(pk)
            new += [Tag(model_id=pk, name=name) for name in dict.fromkeys(names) if name not in had]
            if lost := [name for name in had if name not in names]:
                Tag.objects.custom().filter(model=pk, name__in=lost).delete()
    inserting.insert(new)
    return changed
