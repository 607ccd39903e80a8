"""Ready-made filters over the list of models, each a part of the filter language that is switched on and off."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest

from registry.filters import WORDS, BadFilter, parts
from registry.suggesting import quoted
from registry.tallying import Tally
from registry.views.listing import Chip, address

SERVERS_SHOWN = 6
LABELS = {
    "status:tested": "tested",
    "status:untested": "untested",
    "status:testing": "testing",
    "status:failed": "failed",
    "is:stale": "stale",
    "is:missing": "missing",
    "is:loaded": "loaded now",
    "ctx:>=32k": "fits 32k",
    "has:tools": "has tools",
    "is:favourite": "favourites",
}
ONE_OF = {"status", "server"}  # of these keys only one chip can be on
PARAMETERS = ("filter", "q", "status", "server")  # what an address may narrow the list by


def chips(request: HttpRequest, text: str, tally: Tally) -> list[Chip]:
    """The chips with their counts; one that would show nothing is left out."""
    return [
        Chip(label, count, on, address(request, **(dict.fromkeys(PARAMETERS) | {"filter": changed or None})))
        for part, label, count in _offered(tally)
        for on, changed in [switched(text, part)]
        if count or on
    ]


def _offered(tally: Tally) -> Iterator[tuple[str, str, int]]:
    for part, label in LABELS.items():
        yield part, label, tally.of.get(part, 0)
    if len(tally.servers) > 1:
        for name, count in list(tally.servers.items())[:SERVERS_SHOWN]:
            yield f"server:{quoted(name)}", name, count


def switched(text: str, part: str) -> tuple[bool, str]:
    """Whether `part` is on in the filter `text`, and the filter with it switched the other way."""
    try:
        clauses = _clauses(text)
    except BadFilter:
        return False, part
    if part in [said for _, said in clauses]:
        return True, ",".join(said for _, said in clauses if said != part)
    key = part.partition(":")[0]
    kept = [said for known, said in clauses if not (known == key and key in ONE_OF)]
    return False, ",".join([*kept, part])


def _clauses(text: str) -> list[tuple[str, str]]:
    """The filter by its keys: `tag:llama,chat,size:>5GB` -> (tag, tag:llama,chat), (size, size:>5GB)."""
    clauses: list[tuple[str, str]] = []
    for part in parts(text) if text.strip() else ():
        if part.key or not clauses:
            clauses.append((part.key or WORDS, part.text.strip()))
        else:
            key, said = clauses.pop()
            clauses.append((key, f"{said},{part.text.strip()}"))
    return clauses


def asked(request: HttpRequest) -> str:
    """The filter of an address: `filter` or `q`, and with it the plain `status=` and `server=` that links may use."""
    said = [request.GET.get("filter") or request.GET.get("q") or ""]
    if status := request.GET.get("status"):
        said.append(f"is:{status}" if f"is:{status}" in LABELS else f"status:{status}")
    if server := request.GET.get("server"):
        said.append(f"server:{quoted(server)}")
    return ",".join(part for part in said if part.strip())
