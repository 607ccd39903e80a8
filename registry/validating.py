"""The rules that a registry keeps, each with the objects that break it and, where that is safe, the way to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When
from django.utils import timezone

from registry import keeping, states, tagging
from registry.models import Group, GroupMember, Instance, LanguageModel, Profile, Registry, Server, Snapshot, Tag
from registry.models.job import OPEN
from registry.models.language_model import CheckStatus, ModelType, State
from registry.models.state_change import Cause
from registry.spelling import alike


@dataclass(frozen=True)
class Issue:
    """One object that breaks a rule: a sentence, and what mending it does (empty: a person has to decide)."""

    kind: str
    object: str
    text: str
    mend: str = ""

    @property
    def fixable(self) -> bool:
        return bool(self.mend)

    def __str__(self) -> str:
        return f"{self.object}: {self.text}"

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "object": self.object, "text": self.text, "mend": self.mend or None}


@dataclass(frozen=True)
class Rule:
    """`find` gives objects and what is wrong with each; `repair` mends all of them."""

    kind: str
    find: Callable[[Registry], Iterable[tuple[str, str]]]
    mend: str = ""
    repair: Callable[[Registry], Any] | None = None

    def issues(self, registry: Registry) -> list[Issue]:
        return [Issue(self.kind, name, text, self.mend) for name, text in self.find(registry)]


def _rule_of_models(kind: str, broken: Q, text: str, mend: str = "", changes: Mapping[str, Any] | None = None) -> Rule:
    """A rule on the fields of a model; `text` may name them: "size {size_bytes:,}"."""

    def rows(registry: Registry) -> QuerySet[LanguageModel]:
        return LanguageModel.objects.filter(broken, registry=registry)

    def find(registry: Registry) -> Iterable[tuple[str, str]]:
        found = rows(registry).select_related("server").with_public_id()  # type: ignore[attr-defined]
        return ((f"model {model.public_id}", text.format_map(vars(model))) for model in found)

    def repair(registry: Registry) -> None:
        fields = dict(changes or {})
        if (state := fields.pop("state", None)) is not None:
            _put_into(state, rows(registry), f"upkeep: {kind}")
        else:
            rows(registry).update(updated=timezone.now(), **fields)

    return Rule(kind, find, mend, repair if changes else None)


def _put_into(state: State, models: Iterable[LanguageModel], reason: str) -> None:
    states.changes(dict.fromkeys(models, state), cause=Cause.US, reasons=reason)


def _same_but_for_case(kind: str, rows: Callable[[Registry], QuerySet[Any]]) -> Rule:
    """Two names that people and file systems may take for one."""

    def find(registry: Registry) -> Iterable[tuple[str, str]]:
        for names in alike(rows(registry).values_list("name", flat=True)):
            yield f"{kind} {names[0]}", f"{len(names)} {kind}s have this name but for upper and lower case"

    return Rule("names alike", find)


def _tags_alike(registry: Registry) -> Iterable[tuple[str, str]]:
    for key, names in tagging.spelled_twice(registry):
        yield f"model {key}", f"{len(names)} of its tags are {names[0]} but for upper and lower case"


def _strangers(registry: Registry) -> QuerySet[GroupMember]:
    return GroupMember.objects.filter(group__registry=registry).exclude(model__registry=registry)


def _find_strangers(registry: Registry) -> Iterable[tuple[str, str]]:
    for member in _strangers(registry).select_related("group", "model"):
        yield f"group {member.group}", f"holds {member.model}, a model of another registry"


def _places(registry: Registry) -> Iterable[dict[str, Any]]:
    """The places that two members of a group share, or that lie before the first."""
    places = GroupMember.objects.filter(group__registry=registry).order_by().values("group", "group__name", "position")
    return (dict(row) for row in places.annotate(n=Count("pk")).filter(Q(n__gt=1) | Q(position__lt=0)))


def _find_places(registry: Registry) -> Iterable[tuple[str, str]]:
    for row in _places(registry):
        yield f"group {row['group__name']}", f"has {row['n']} models at place {row['position']}"


def _renumber(registry: Registry) -> None:
    for group in Group.objects.filter(pk__in=[row["group"] for row in _places(registry)]):
        members = list(group.members.order_by("position", "pk"))
        for position, member in enumerate(members):
            member.position = position
        GroupMember.objects.bulk_update(members, ["position"], batch_size=500)


def _unknown_of_profiles(registry: Registry) -> Iterable[tuple[str, str]]:
    servers = set(Server.objects.values_list("name", flat=True))
    for profile in Profile.objects.filter(registry=registry):
        for name in profile.preferred_models:
            if not LanguageModel.objects.filter(registry=registry).named(str(name)).exists():
                yield f"profile {profile}", f"prefers {name}, and no model of the registry is named so"
        for name in profile.servers:
            if name not in servers:
                yield f"profile {profile}", f"asks for the server {name}, and there is none"


def _unexplained(registry: Registry) -> QuerySet[Tag]:
    return Tag.objects.automatic().filter(model__registry=registry, reason="").select_related("model")


def _find_unexplained(registry: Registry) -> Iterable[tuple[str, str]]:
    return ((f"model {tag.model}", f"its automatic tag {tag} does not say why") for tag in _unexplained(registry))


def _derive_again(registry: Registry) -> None:
    tagging.derive_tags(LanguageModel.objects.filter(pk__in=_unexplained(registry).values("model")))


def _misplaced(registry: Registry) -> QuerySet[Instance]:
    return Instance.objects.filter(model__registry=registry).exclude(server=F("model__server"))


def _find_misplaced(registry: Registry) -> Iterable[tuple[str, str]]:
    for instance in _misplaced(registry).select_related("model", "server"):
        yield f"model {instance.model}", f"a loaded copy {instance} is noted on {instance.server}, where it is not"


def _find_lost(registry: Registry) -> Iterable[tuple[str, str]]:
    found = (each for each in Snapshot.objects.filter(registry=registry) if keeping.lost_file(each))
    return ((f"snapshot {each}", "its file is gone") for each in found)


def _forget_lost(registry: Registry) -> None:
    for snapshot in Snapshot.objects.filter(registry=registry):
        if keeping.lost_file(snapshot):
            snapshot.delete()


def _find_damaged(registry: Registry) -> Iterable[tuple[str, str]]:
    for snapshot in Snapshot.objects.filter(registry=registry):
        if not keeping.lost_file(snapshot) and keeping.damaged(snapshot):
            yield f"snapshot {snapshot}", "its file is damaged and cannot be restored; delete it"


UNTESTED = {"test_status": CheckStatus.UNTESTED, "tested_context": None, "test_verdict": ""}
NO_TEST_RUNS = Q(test_status=CheckStatus.TESTING) & ~Q(context_tests__job__status__in=OPEN)
SETTLED = Case(
    When(tested_context__gt=0, then=Value(CheckStatus.TESTED.value)),
    When(last_tested__isnull=False, then=Value(CheckStatus.FAILED.value)),
    default=Value(CheckStatus.UNTESTED.value),
    output_field=CharField(),
)

RULES: tuple[Rule, ...] = (
    *(
        _rule_of_models(
            "not a size", Q(**{f"{name}__lte": 0}), f"{name} is {{{name}}}", "it becomes unknown", {name: None}
        )
        for name in ("size_bytes", "declared_context", "parameter_count", "bits_per_weight")
    ),
    _rule_of_models(
        "tested beyond declared",
        Q(tested_context__gt=F("declared_context"), stale=False),
        "{tested_context:,} tokens are tested, and {declared_context:,} declared",
        "the result is marked stale",
        {"stale": True, "stale_reason": "more tokens are tested than the model declares"},
    ),
    _rule_of_models(
        "usable beyond tested",
        Q(usable_context__gt=F("tested_context")),
        "{usable_context:,} tokens are usable, and {tested_context:,} tested",
        "the usable context becomes unknown",
        {"usable_context": None},
    ),
    _rule_of_models(
        "tested without a result",
        Q(test_status=CheckStatus.TESTED) & (Q(tested_context=None) | Q(tested_context__lte=0)),
        "it counts as tested, and no size is known",
        "it becomes untested",
        UNTESTED,
    ),
    _rule_of_models(
        "a result without a test",
        Q(test_status=CheckStatus.UNTESTED, tested_context__gt=0),
        "{tested_context:,} tokens are tested, and it counts as untested",
        "it becomes tested",
        {"test_status": CheckStatus.TESTED},
    ),
    _rule_of_models(
        "a test that nobody does",
        NO_TEST_RUNS,
        "it counts as being tested, and no test runs",
        "it gets the status of its last result",
        {"test_status": SETTLED},
    ),
    _rule_of_models(
        "stale without a reason",
        Q(stale=True, stale_reason=""),
        "its result is stale, and nothing says why",
        "the reason becomes: not known",
        {"stale_reason": "not known"},
    ),
    _rule_of_models(
        "loaded but missing",
        Q(missing=True) & ~Q(state=State.UNLOADED),
        "its server does not offer it any more, and it counts as {state}",
        "it becomes unloaded",
        {"state": State.UNLOADED},
    ),
    _rule_of_models("unknown type", ~Q(type__in=["", *ModelType.values]), "its type is {type}, which is none"),
    _rule_of_models("no name", Q(name="") | Q(key=""), "it has no name or no key"),
    _same_but_for_case("group", lambda registry: Group.objects.filter(registry=registry)),
    _same_but_for_case("profile", lambda registry: Profile.objects.filter(registry=registry)),
    Rule("names alike", _tags_alike, "the first spelling stays", tagging.spell_once),
    Rule("a stranger in a group", _find_strangers, "it leaves the group", lambda r: _strangers(r).delete()),
    Rule("order of a group", _find_places, "the places are numbered again", _renumber),
    Rule("unknown in a profile", _unknown_of_profiles),
    Rule("a tag without a reason", _find_unexplained, "its automatic tags are derived again", _derive_again),
    Rule("a copy elsewhere", _find_misplaced, "the copy is forgotten", lambda r: _misplaced(r).delete()),
    Rule("a snapshot without a file", _find_lost, "its row is deleted", _forget_lost),
    Rule("a damaged snapshot", _find_damaged),
)
