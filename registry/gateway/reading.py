"""Reads the table of routes from the database: only what is loaded, and what was asked for by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache

import orjson
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from registry import draining, resolving, sealing
from registry.gateway.routes import (
    GROUP,
    PROFILE,
    InstanceRoute,
    Meaning,
    ModelRoute,
    ServerRoute,
    Table,
    TokenRoute,
    as_header,
)
from registry.models import ApiToken, Group, GroupMember, Instance, LanguageModel, Profile, Registry, Role, Server
from registry.models.language_model import CheckStatus
from registry.models.registry import DEFAULT
from registry.models.usage import Period, Rollup, Scope

MOST = 1000  # models of a group or profile that are looked at
COLUMNS = ("pk", "registry_id", "server_id", "key", "variant", "tested_context", "stale", "test_status",
           "characters_per_token")  # fmt: skip

Name = tuple[int, str]


@dataclass
class Reader:
    """Reads tables one after the other; what costs time is read again only when something changed."""

    table: Table = field(default_factory=Table)
    _resolved: dict[int, tuple[object, tuple[int, ...]]] = field(default_factory=dict)
    _listed: dict[int, tuple[object, bytes]] = field(default_factory=dict)

    def read(self, wanted: Iterable[Name], lists: Iterable[int]) -> Table:
        """A new table: what each wanted name means in its registry, and the lists asked for.

        What is loaded is found by its key without being asked for: it works when the database is down.
        """
        rows = list(Registry.objects.annotate(clock=Now()).values_list("pk", "name", "version", "clock"))
        default = next((pk for pk, name, _, _ in rows if name == DEFAULT), 0)
        clock = rows[0][3] if rows else timezone.now()
        servers = {server.pk: server for server in _servers(clock)}
        instances = _instances()
        loaded = LanguageModel.objects.filter(pk__in=list(instances)).values_list("registry_id", "key")
        asked: dict[int, set[str]] = {}
        for registry, name in (*wanted, *loaded):
            asked.setdefault(registry, set()).add(name)
        names = {}
        for registry, wished in asked.items():
            meant = self._meant(registry, wished, servers, instances)
            names.update({(registry, name): meaning for name, meaning in meant.items()})
        versions = {pk: (version, tuple(servers)) for pk, _, version, _ in rows}
        shown = {pk: self._list(pk, versions[pk], list(servers)) for pk in lists if pk in versions}
        self.table = Table(clock if rows else None, _tokens(default), names, shown)
        return self.table

    def _meant(
        self, registry: int, asked: set[str], servers: dict[int, ServerRoute],
        instances: dict[int, tuple[InstanceRoute, ...]],
    ) -> dict[str, Meaning]:  # fmt: skip
        """What names mean in a registry; a name that means nothing is left out."""
        groups = _members(registry, {name.removeprefix(GROUP) for name in asked if name.startswith(GROUP)})
        profiles = self._profiles(registry, {name.removeprefix(PROFILE) for name in asked if name.startswith(PROFILE)})
        plain = {name for name in asked if not name.startswith((GROUP, PROFILE))}
        pks = {pk for members in groups.values() for pk in members} | {
            pk for _, able in profiles.values() for pk in able
        }
        keys = plain | {rest for name in plain for rest in _rests(name, servers.values())}
        rows = LanguageModel.objects.filter(registry=registry, missing=False, server__in=list(servers))
        routes: dict[int, ModelRoute] = {}
        by_name: dict[str, list[ModelRoute]] = {}
        by_long_name: dict[str, list[ModelRoute]] = {}
        for row in rows.filter(Q(key__in=keys) | Q(pk__in=pks)).only(*COLUMNS).order_by("pk"):
            route = routes[row.pk] = _model(row, servers[row.server_id or 0], instances.get(row.pk, ()))
            by_name.setdefault(row.key, []).append(route)
            long_name = f"{route.server.name}/{row.key}"
            for name in {long_name, f"{long_name}@{row.variant}"}:
                by_long_name.setdefault(name, []).append(route)
        found = {name: Meaning(tuple(own)) for name in plain if (own := by_name.get(name) or by_long_name.get(name))}
        for name, members in groups.items():
            present = tuple(routes[pk] for pk in members if pk in routes)
            found[GROUP + name] = Meaning(present, nothing=_nothing_in(name, members))
        for name, (profile, able) in profiles.items():
            models = tuple(routes[pk] for pk in able if pk in routes)
            nothing = f"No model meets what the profile {name} asks for; its page says of each model why."
            found[PROFILE + name] = Meaning(models, True, profile.temperature, profile.max_context, nothing)
        return found

    def _profiles(self, registry: int, names: set[str]) -> dict[str, tuple[Profile, tuple[int, ...]]]:
        """The models that each profile may take, best first."""
        if not names:
            return {}
        loaded = tuple(Instance.objects.filter(model__registry=registry).order_by("pk").values_list("pk", flat=True))
        reachable = tuple(Server.objects.order_by("pk").values_list("pk", "enabled", "reachable"))
        found = {}
        for profile in Profile.objects.select_related("registry").filter(registry=registry, name__in=names):
            signs = (profile.updated, profile.registry.version, loaded, reachable, timezone.now().minute)
            if profile.pk not in self._resolved or self._resolved[profile.pk][0] != signs:
                self._resolved[profile.pk] = signs, _able(profile)
            found[profile.name] = profile, self._resolved[profile.pk][1]
        return found

    def _list(self, registry: int, version: object, servers: list[int]) -> bytes:
        """The answer of /v1/models."""
        groups = Group.objects.filter(registry=registry).values_list("name", flat=True)
        profiles = Profile.objects.filter(registry=registry).values_list("name", flat=True)
        special = (*(GROUP + name for name in groups), *(PROFILE + name for name in profiles))
        if registry not in self._listed or self._listed[registry][0] != (version, special):
            self._listed[registry] = (version, special), _list_of(registry, servers, special)
        return self._listed[registry][1]


def _servers(clock: datetime) -> Iterable[ServerRoute]:
    """The enabled servers; `clock` is the database's."""
    for server in Server.objects.enabled().select_related("experiment"):
        job, until = server.experiment, server.experiment_until
        held = job is not None and until is not None and until > clock
        token, fault = _opened(server.token_sealed)
        yield ServerRoute(
            server.pk, server.name, server.base_url, token, fault, server.reachable is not False, server.refuses_usage,
            f"{job.title or job.kind} (job {job.pk})" if held and job else "",
            _seconds_left(job.progress, job.started, clock) if held and job else 0,
        )  # fmt: skip


def _seconds_left(progress: float, started: datetime | None, now: datetime) -> int:
    """How long a job goes on, as far as can be told from how far it is: 5 seconds to 10 minutes."""
    if started is None or progress < 0.05:
        return 60
    return round(min(600.0, max(5.0, (now - started).total_seconds() * (1 - progress) / progress)))


@lru_cache(maxsize=1000)
def _opened(sealed: str) -> tuple[str, str]:
    """A server's token in clear, and what is wrong with it."""
    try:
        return (sealing.unseal(sealed) if sealed else ""), ""
    except sealing.Unreadable:
        return "", "its token cannot be read any more; enter it again"


def _instances() -> dict[int, tuple[InstanceRoute, ...]]:
    """The loaded copies by model; one drains when it does in any registry."""
    rows = list(
        Instance.objects.order_by("pk").values_list(
            "model_id", "server_id", "instance_id", "context_length", "draining"
        )
    )
    leaving = {(server, name) for _, server, name, _, drains in rows if drains is not None}
    found: dict[int, tuple[InstanceRoute, ...]] = {}
    for model, server, name, context, _ in rows:
        route = InstanceRoute(name, draining.key_of(server, name), context, (server, name) in leaving)
        found[model] = (*found.get(model, ()), route)
    return found


def _model(row: LanguageModel, server: ServerRoute, instances: tuple[InstanceRoute, ...]) -> ModelRoute:
    known = not row.stale and row.test_status != CheckStatus.FAILED
    headers = ((b"x-lmstrix-model", as_header(row.key)), (b"x-lmstrix-server", as_header(server.name)))
    window = row.tested_context if known else None
    return ModelRoute(row.pk, row.key, server, window, row.characters_per_token, instances, headers)


def _rests(name: str, servers: Iterable[ServerRoute]) -> Iterable[str]:
    """The keys that `server/key` and `server/key@variant` can mean; a key may have slashes and @ in it."""
    for server in servers:
        if name.startswith(f"{server.name}/"):
            rest = name[len(server.name) + 1 :]
            yield rest
            yield from (rest[:end] for end, sign in enumerate(rest) if sign == "@")


def _members(registry: int, names: set[str]) -> dict[str, list[int]]:
    """The models of the groups that there are, in their order."""
    groups = Group.objects.filter(registry=registry, name__in=names).values_list("name", flat=True) if names else ()
    found: dict[str, list[int]] = {name: [] for name in groups}
    rows = GroupMember.objects.filter(group__registry=registry, group__name__in=names).order_by("position", "pk")
    for name, model in rows.values_list("group__name", "model_id") if names else ():
        members = found.setdefault(name, [])
        if len(members) < MOST:
            members.append(model)
    return found


def _nothing_in(group: str, members: list[int]) -> str:
    """Why a group has no model to ask, where it has none."""
    if members:
        return f"No model of the group {group} is there now; see Servers."
    return f"The group {group} has no models; add some on its page."


def _able(profile: Profile) -> tuple[int, ...]:
    """The models that a profile may take now, best first."""
    resolution = resolving.resolve(profile)
    best = [resolution.model.pk] if resolution.model else []
    return (*best, *(each.model.pk for each in resolution.passed_over if each.kind == resolving.ABLE))[:MOST]


def _list_of(registry: int, servers: list[int], special: Iterable[str]) -> bytes:
    rows = LanguageModel.objects.filter(registry=registry, missing=False, server__in=servers).order_by("key")
    known: dict[str, tuple[int, str]] = {}
    for key, added, publisher in rows.values_list("key", "added", "publisher"):
        known.setdefault(key, (int(added.timestamp()), publisher))
    data = [
        {"id": key, "object": "model", "created": created, "owned_by": owner or "lmstrix"}
        for key, (created, owner) in known.items()
    ]
    data += [{"id": name, "object": "model", "created": 0, "owned_by": "lmstrix"} for name in special]
    return orjson.dumps({"object": "list", "data": data})


def _tokens(default: int) -> dict[str, TokenRoute]:
    """The usable tokens by their digests; `default`: the registry of those that name none."""
    today: date = timezone.now().date()
    spent: dict[int, int] = {}
    tokens = list(ApiToken.objects.usable().select_related("created_by"))
    if limited := [token.pk for token in tokens if token.tokens_per_day]:
        sums = Rollup.objects.filter(scope=Scope.TOKEN, period=Period.DAY, token_id__in=limited, start__date=today)
        for rollup in sums:
            spent[rollup.token_id] = rollup.tokens_in + rollup.tokens_out + rollup.tokens_unsplit
    return {
        token.digest: TokenRoute(
            token.pk, token.name, token.allowed.value, token.allowed.covers(Role.OPERATOR),
            token.registry_id or default, token.requests_per_minute, token.tokens_per_day, spent.get(token.pk, 0),
            token.keep_days if token.keep_content else 0,
        )
        for token in tokens
    }  # fmt: skip
