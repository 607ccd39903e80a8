"""Which models of two contents are the same one, and what of a foreign content means something here. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from registry.documents.content import RESULTS, Content, Fault, Fields, ModelId, Unreadable, public_ids
from registry.lmstudio.address import LOOPBACK

BY_HAND = "manual_addition"  # the `source` of a model that a person added: it is on no server
HOST_BOUND = frozenset({*RESULTS, "missing"})  # what only the host that has the server can tell


def matched(before: Iterable[ModelId], after: Iterable[ModelId]) -> dict[ModelId, ModelId]:
    """The models of `after` that are not in `before` but are a model of it under another variant: after -> before.

    As in a scan: a key that a server has once on both sides is the same model, whatever its variant.
    """
    before, after = set(before), set(after)
    if before == after:
        return {}
    once_before, once_after = _once(before), _once(after)
    pairs = {model: once_before.get(place) for place, model in once_after.items() if model not in before}
    return {model: other for model, other in pairs.items() if other is not None and other not in after}


def _once(models: Iterable[ModelId]) -> dict[tuple[str, str], ModelId]:
    """The models whose server has their key only once, by server and key."""
    places: dict[tuple[str, str], list[ModelId]] = defaultdict(list)
    for model in models:
        places[model.server, model.key].append(model)
    return {place: found[0] for place, found in places.items() if len(found) == 1}


def placed(existing: Content, incoming: Content) -> Content:
    """`incoming` with each model where `existing` has it, when the document does not tell of servers at all.

    A file in the guide's own form, a CSV, LMStrix's command-line file: a model there is the one of that key here, else
    of that `server/key`, else of that `server/key@variant`. Members that a file tells in no order stand as here.
    Raises Unreadable when several models could be meant.
    """
    if incoming.servers:
        return ordered(existing, incoming)
    here = _looked_up(existing)
    faults: list[Fault] = []
    places: dict[ModelId, ModelId] = {}
    for model, fields in incoming.models.items():
        if not model.server and fields.get("source") != BY_HAND and model not in existing.models:
            candidates = _candidates(model, next((names[model.key] for names in here if model.key in names), []))
            if len(candidates) > 1:
                faults.append(_ambiguous(model, candidates, existing))
            elif candidates:
                places[model] = candidates[0]
    faults += _doubled(places)
    if faults:
        raise Unreadable(faults)
    return ordered(existing, renamed(incoming, places))


def ordered(existing: Content, incoming: Content) -> Content:
    """`incoming`, in whose groups members that a file tells in no order stand as in `existing`."""
    if not incoming.unordered:
        return incoming
    groups = {
        name: fields | {"models": in_order(existing.groups.get(name, {}).get("models"), fields.get("models"))}
        for name, fields in incoming.groups.items()
    }
    return replace(incoming, groups=groups)


def in_order(here: Iterable[ModelId] | None, members: Iterable[ModelId] | None) -> list[ModelId]:
    """`members` in the order that they have `here`, new ones last."""
    told = dict.fromkeys(members or ())
    known = [member for member in here or () if member in told]
    return list(dict.fromkeys([*known, *told]))


def _looked_up(content: Content) -> list[dict[str, list[ModelId]]]:
    """The models by each of the names that may mean them, in the order in which these are looked up."""
    keys, long, full = (defaultdict[str, list[ModelId]](list) for _ in range(3))
    for model in content.models:
        keys[model.key].append(model)
        if model.server:
            name = f"{content.servers.get(model.server, {}).get('name') or model.server}/{model.key}"
            long[name].append(model)
            full[f"{name}@{model.variant}"].append(model)
    return [keys, long, full]


def _candidates(model: ModelId, found: list[ModelId]) -> list[ModelId]:
    exact = [other for other in found if other.variant == model.variant]
    return exact if model.variant and exact else found


def _ambiguous(model: ModelId, candidates: list[ModelId], existing: Content) -> Fault:
    ids = public_ids(existing.models, existing.servers)
    names = ", ".join(sorted(ids[each] for each in candidates))
    return Fault(f'models["{model.key}"]', f"could be any of {names}; say which with the field `server`")


def _doubled(places: Mapping[ModelId, ModelId]) -> list[Fault]:
    taken: set[ModelId] = set()
    faults = []
    for model, place in places.items():
        if place in taken:
            text = "stands there more than once, as several variants or by several ids, and is one model here"
            faults.append(Fault(f'models["{model.key}"]', text))
        taken.add(place)
    return faults


def renamed(content: Content, places: Mapping[ModelId, ModelId]) -> Content:
    """`content` with these models under other ids, in the groups too."""
    if not places:
        return content
    models = {places.get(model, model): fields for model, fields in content.models.items()}
    groups = {
        name: fields | {"models": [places.get(ModelId(*member), ModelId(*member)) for member in fields["models"]]}
        if fields.get("models")
        else fields
        for name, fields in content.groups.items()
    }
    return replace(content, models=models, groups=groups)


def is_loopback(base_url: str) -> bool:
    """True for an address that every host calls its own."""
    host = urlsplit(base_url).hostname or ""
    return host in LOOPBACK or host.startswith("127.")


def same_host(one: Content, other: Content) -> bool:
    """True unless both tell their host, and these differ."""
    return not (one.host and other.host) or one.host == other.host


def foreign(existing: Content, incoming: Content) -> frozenset[str]:
    """The addresses of `incoming` that mean another place there than in `existing`; "" (no server) is one of them."""
    if same_host(existing, incoming):
        return frozenset()
    addresses = {*incoming.servers, *(model.server for model in incoming.models)}
    return frozenset(address for address in addresses if not address or is_loopback(address))


def portable(existing: Content, incoming: Content, results: bool | None) -> Content:
    """What of `incoming` means something in `existing`.

    Test results stay with their host: of a server that is another one here, neither results nor whether a model is
    still there, nor name and memory. `results`: True takes every result all the same, False none.
    """
    elsewhere = foreign(existing, incoming)
    servers = {
        url: fields for url, fields in incoming.servers.items() if url not in elsewhere or url not in existing.servers
    }

    def kept(model: ModelId, fields: Fields) -> Fields:
        away = model.server in elsewhere
        if results is False or (away and results is None):
            dropped = HOST_BOUND if away else HOST_BOUND - {"missing"}
            fields = {name: value for name, value in fields.items() if name not in dropped}
        if away and model.server and model not in existing.models:
            fields = fields | {"missing": True}  # until a scan finds it here too
        return fields

    if not elsewhere and results is not False:
        return incoming
    models = {model: kept(model, fields) for model, fields in incoming.models.items()}
    return replace(incoming, servers=servers, models=models)
