"""What rollups are about, by names: models, servers and tokens, also those that are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from registry.models import ApiToken, LanguageModel, Server
from registry.models.usage import InferenceRecord

LOOKED_UP = 200  # gone models whose key is looked up among the records, one by one


@dataclass(frozen=True)
class Named:
    """A name for people, with a page where there is one; `id` is what programs call it."""

    name: str
    id: str = ""
    place: str = ""  # the server it is on
    gone: bool = False
    page: tuple[str, int] | None = None

    @property
    def url(self) -> str:
        return reverse(self.page[0], args=[self.page[1]]) if self.page else ""


UNKNOWN_MODEL = Named("a model that is not known")
NO_TOKEN = Named("no token")
NO_SERVER = Named("no server")


def models(ids: Iterable[int]) -> dict[int, Named]:
    """By id; 0 is requests for no model that is known, and a model that is gone is called by its last key."""
    wanted = list(dict.fromkeys(ids))
    found = {0: UNKNOWN_MODEL}
    there = LanguageModel.objects.filter(pk__in=wanted).order_by().select_related("server")
    known = list(there.only("registry_id", "key", "variant", "name", "server__name"))
    _note_namesakes(known)
    for model in known:
        place = model.server.name if model.server else ""
        found[model.pk] = Named(model.name, model.public_id, place, page=("model", model.pk))
    for number, pk in enumerate(pk for pk in wanted if pk not in found):
        found[pk] = _gone(pk, look=number < LOOKED_UP)
    return {pk: found[pk] for pk in wanted}


def _note_namesakes(models: list[LanguageModel]) -> None:
    """Gives each model what its public id needs: how many share its key; looked up at once, not model by model."""
    alike = LanguageModel.objects.filter(
        registry__in={model.registry_id for model in models}, key__in={model.key for model in models}
    )
    places: list[tuple[int, str, int | None]]
    places = list(alike.order_by().values_list("registry_id", "key", "server_id"))
    keys, here = Counter(place[:2] for place in places), Counter(places)
    for model in models:
        same = model.registry_id, model.key
        vars(model).update(same_key=keys[same], same_here=here[(*same, model.server_id)])


def _gone(pk: int, *, look: bool) -> Named:
    records = InferenceRecord.objects.filter(model=pk).order_by("-started").values_list("model_key", flat=True)
    key = records.first() if look else None
    return Named(f"a model that is gone ({key or f'number {pk}'})", key or f"#{pk}", gone=True)


def tokens(ids: Iterable[int]) -> dict[int, Named]:
    """By id; 0 is requests without a token."""
    wanted = list(dict.fromkeys(ids))
    names = dict(ApiToken.objects.filter(pk__in=wanted).order_by().values_list("pk", "name"))
    return {pk: _token(pk, names.get(pk)) for pk in wanted}


def _token(pk: int, name: str | None) -> Named:
    if not pk:
        return NO_TOKEN
    return Named(name, name) if name else Named(f"a token that is gone (number {pk})", f"#{pk}", gone=True)


def servers(ids: Iterable[int]) -> dict[int, Named]:
    """By id; 0 is requests that reached no server that is known."""
    wanted = list(dict.fromkeys(ids))
    names = dict(Server.objects.filter(pk__in=wanted).order_by().values_list("pk", "name"))
    return {pk: _server(pk, names.get(pk)) for pk in wanted}


def _server(pk: int, name: str | None) -> Named:
    if not pk:
        return NO_SERVER
    if name is None:
        return Named(f"a server that is gone (number {pk})", f"#{pk}", gone=True)
    return Named(name, name, page=("server", pk))
