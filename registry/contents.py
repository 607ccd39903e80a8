"""Reads a registry as a Content: the form in which registries are compared, merged, kept and written back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from registry import sealing, usage_reports
from registry.columns import Columns
from registry.documents.content import PARTS, Content, Fields, ModelId, iso, public_ids
from registry.models import Group, GroupMember, LanguageModel, Profile, Registry, Server, Tag
from registry.models.language_model import CheckStatus

CHUNK = 2_000
MODEL = Columns(LanguageModel, (name for part in PARTS.values() for name in part))
SERVER = Columns(Server, ("name", "enabled", "memory_limit_bytes"))
GROUP = Columns(Group, ("description", "created", "updated"))
PROFILE = Columns(
    Profile,
    (
        "description", "preferred_models", "max_context", "temperature", "needs", "min_tested_context",
        "min_tokens_per_second", "max_memory_bytes", "tags", "servers", "created", "updated",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Attachment:
    """Lists that another app keeps of models, by the models' primary keys: how they are read and written.

    `write` makes the lists that it is given what they tell, leaves those of other models alone, and gives how many
    rows it added, changed and deleted.
    """

    read: Callable[[QuerySet[LanguageModel]], dict[int, list[Fields]]]
    write: Callable[[QuerySet[LanguageModel], dict[int, list[Fields]]], tuple[int, int, int]]


ATTACHED: dict[str, Attachment] = {}  # by the field of a model that holds the list


def content_of(
    registry: Registry, *, models: QuerySet[LanguageModel] | None = None, tests: bool = False, live: bool = False
) -> Content:
    """Everything in `registry`, or only these models of it, in a fixed number of queries; with `tests` their evidence.

    `live`: requests recorded here are its usage, not what a file told before; never for what is compared or kept.
    Some models only: no groups but those that are whole among them. Read without a lock: who needs one moment
    compares `Registry.version` before and after.
    """
    now = Registry.objects.get(pk=registry.pk)
    chosen = LanguageModel.objects.filter(registry=registry)
    if models is not None:
        chosen = chosen.filter(pk__in=models.order_by().values("pk"))
    addresses, servers = {}, {}
    for pk, base_url, *row in Server.objects.order_by("base_url").values_list("pk", "base_url", *SERVER.names):
        addresses[pk], servers[base_url] = base_url, SERVER.told(row)
    identities: dict[int, ModelId] = {}
    told: dict[int, Fields] = {}
    for pk, identity, fields in rows(chosen, addresses):
        identities[pk], told[pk] = identity, fields
    _label(chosen, told)
    if live:
        _count(told)
    for name, attachment in ATTACHED.items() if tests else ():
        found = attachment.read(chosen)
        for pk, fields in told.items():
            fields[name] = found.get(pk, [])
    used = {identity.server for identity in identities.values()}
    return Content(
        servers={base_url: fields for base_url, fields in servers.items() if base_url in used},
        models={identities[pk]: fields for pk, fields in told.items()},
        groups=groups_of(registry, identities, whole=models is not None),
        profiles=profiles_of(registry),
        registry=now.name,
        host=sealing.installation(),
        last_updated=iso(now.updated) if now.version else None,  # nothing was ever written: any content is newer
        last_scan=iso(now.last_scan),
        extra=now.extra,
        ids={} if models is None else _ids(registry, identities, addresses, servers),
    )


def _ids(
    registry: Registry, chosen: dict[int, ModelId], addresses: dict[int, str], servers: dict[str, Fields]
) -> dict[ModelId, str]:
    """The ids that the chosen models have among all models of the registry."""
    columns = ("server_id", "key", "variant")
    everything = LanguageModel.objects.filter(registry=registry).order_by().values_list(*columns)
    identities = [ModelId(addresses[server] if server else "", key, variant) for server, key, variant in everything]
    ids = public_ids({identity: {} for identity in identities}, servers)
    return {identity: ids[identity] for identity in chosen.values() if identity in ids}


def rows(models: QuerySet[LanguageModel], addresses: dict[int, str]) -> Iterator[tuple[int, ModelId, Fields]]:
    """Primary key, identity and columns of each model; a test under way has not changed the status yet."""
    columns = ("pk", "server_id", "key", "variant", *MODEL.names)
    for pk, server, key, variant, *row in models.order_by().values_list(*columns).iterator(chunk_size=CHUNK):
        fields = MODEL.told(row)
        if fields["test_status"] == CheckStatus.TESTING:
            fields["test_status"] = settled_status(fields)
        yield pk, ModelId(addresses[server] if server else "", key, variant), fields


def settled_status(fields: Fields) -> str:
    """The status that follows from the last test that ended."""
    if fields.get("tested_context"):
        return CheckStatus.TESTED.value
    return CheckStatus.FAILED.value if fields.get("last_tested") else CheckStatus.UNTESTED.value


def custom_tags(models: QuerySet[LanguageModel]) -> dict[int, list[str]]:
    """The tags that people gave, sorted, by the model's primary key; models without one are left out."""
    found: dict[int, list[str]] = defaultdict(list)
    tags = Tag.objects.custom().filter(model__in=models.order_by().values("pk")).order_by()
    for pk, name in tags.values_list("model_id", "name").iterator(chunk_size=CHUNK):
        found[pk].append(name)
    return {pk: sorted(names) for pk, names in found.items()}


def _label(models: QuerySet[LanguageModel], told: dict[int, Fields]) -> None:
    tags = custom_tags(models)
    for pk, fields in told.items():
        fields["tags"] = tags.get(pk, [])


def _count(told: dict[int, Fields]) -> None:
    """Puts the usage that was recorded here in the place of what a file told."""
    for pk, used in usage_reports.live_usage(list(told)).items():
        balance = {name: used[name] for name in ("inference_count", "total_tokens_processed", "total_inference_time")}
        balance["last_used"] = iso(used["last_used"])
        told[pk]["opening_balance"] = {name: value for name, value in balance.items() if value is not None}


def groups_of(registry: Registry, identities: dict[int, ModelId], *, whole: bool = False) -> dict[str, Fields]:
    """The groups by name, each with its models in order; `whole`: only those with all their models known here."""
    members: dict[int, list[int]] = defaultdict(list)
    ordered = GroupMember.objects.filter(group__registry=registry).order_by("position", "pk")
    for group, model in ordered.values_list("group_id", "model_id"):
        members[group].append(model)
    groups = {}
    for pk, name, *row in Group.objects.filter(registry=registry).values_list("pk", "name", *GROUP.names):
        known = [identities[model] for model in members[pk] if model in identities]
        if not whole or 0 < len(known) == len(members[pk]):
            groups[name] = GROUP.told(row) | {"models": known}
    return groups


def profiles_of(registry: Registry) -> dict[str, Fields]:
    """The profiles by name."""
    found = Profile.objects.filter(registry=registry).values_list("name", *PROFILE.names)
    return {name: PROFILE.told(row) for name, *row in found}
