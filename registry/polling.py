"""Looks at servers every few seconds: LM Studio tells nothing by itself, so a state is what the last look showed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from registry import announcing, ledger, notifying, pairing, reconciling, scanning, sealing
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import Listing
from registry.models import Instance, LanguageModel, Server, StateChange
from registry.models.language_model import State
from registry.reconciling import UNDER_WAY, Copies

TICK_SECONDS = settings.POLL_TICK_SECONDS  # the shortest interval; for a server on which something changes
LATELY = timedelta(seconds=10)  # after a change the next one is likely
LEASE = timedelta(seconds=scanning.LISTING_SECONDS + 8)  # who looks for longer has died
AT_ONCE = 8


def due() -> list[Server]:
    """Enabled servers that nobody looks at now and whose time has come; one query."""
    loading = LanguageModel.objects.filter(server=OuterRef("pk"), state__in=UNDER_WAY)
    lately = StateChange.objects.filter(server=OuterRef("pk"), at__gt=Now() - LATELY)
    moving = Q(load_until__gt=Now()) | Q(Exists(lately)) | Q(Exists(loading))
    still = Server.objects.enabled().annotate(told=Now(), moving=moving)
    return [server for server in still if _is_due(server.polled, vars(server)["told"], _interval(server))]


def _interval(server: Server) -> float:
    return TICK_SECONDS if vars(server)["moving"] else server.poll_seconds


def _is_due(polled: datetime | None, clock: datetime, interval: float) -> bool:
    """`polled` lies in the future while somebody looks (see `_claim`); a tick that comes a little early counts."""
    return polled is None or (clock - polled).total_seconds() >= interval - TICK_SECONDS / 2


def poll_due() -> int:
    """Looks at every server that is due, several side by side: one that is silent delays no other. Gives how many."""
    servers = due()
    if len(servers) == 1:
        poll(servers[0])
    elif servers:
        with ThreadPoolExecutor(min(len(servers), AT_ONCE), thread_name_prefix="poll") as pool:
            list(pool.map(_poll_in_thread, servers))
    return len(servers)


def _poll_in_thread(server: Server) -> None:
    try:
        poll(server)
    finally:
        connection.close()


def poll(server: Server) -> bool:
    """Looks at `server` once and writes what it showed; False when somebody else was looking already.

    Models are never added: that is what a scan is for. While the server does not answer, nothing is claimed: its
    models stay what they were when it was last seen.
    """
    asked = _claim(server)
    if asked is None:
        return False
    with suppress(LMStudioError, sealing.Unreadable):  # which is noted
        _look(server, asked)
    return True


def look(server: Server) -> Listing:
    """What `server` has now, for somebody who waits for it; what it shows is written as by a poll.

    Raises LMStudioError, or sealing.Unreadable for a token that is lost.
    """
    return _look(server, server.clock())


def _look(server: Server, asked: datetime) -> Listing:
    try:
        listing = scanning.look(server)
    except (LMStudioError, sealing.Unreadable) as error:
        _note_silence(server, str(error), asked)
        raise
    _note_answer(server, listing, asked)
    return listing


def _claim(server: Server) -> datetime | None:
    """The moment of this look, by the database's clock; None when somebody else is looking.

    Whoever looks puts `polled` into the future, by one conditional UPDATE, and at the end to when the server was
    asked: so a second one stays away, and one that dies keeps nobody away for long.
    """
    row = Server.objects.filter(pk=server.pk).values_list("polled", Now()).first()
    if row is None:
        return None
    polled, clock = row
    if polled is not None and polled > clock:
        return None
    claimed = Server.objects.filter(pk=server.pk, polled=polled).update(polled=clock + LEASE)
    return clock if claimed else None


def _note_silence(server: Server, error: str, asked: datetime) -> None:
    with transaction.atomic():
        heard = Server.objects.filter(pk=server.pk).exclude(reachable=False).update(reachable=False)
        Server.objects.filter(pk=server.pk).update(error=error, polled=asked)
        if heard:
            notifying.server_silent(server, error)
            announcing.announce("server", server.pk)


def _note_answer(server: Server, listing: Listing, asked: datetime) -> None:
    with transaction.atomic():
        before = Server.objects.select_for_update(no_key=True).filter(pk=server.pk).first()
        if before is None:
            return  # deleted meanwhile
        changed = reconciling.reconcile(
            before, dict(_seen(before, listing)), asked=asked, reason=_after_silence(before)
        )
        Server.objects.filter(pk=server.pk).update(reachable=True, error="", polled=asked, last_seen=asked)
        drifted = ledger.check(before)
        if before.reachable is False:
            notifying.server_back(before)
        if changed or drifted or before.reachable is not True:
            announcing.announce("server", server.pk)


def _after_silence(before: Server) -> str:
    """What is found after a silence happened at a time that nobody knows."""
    if before.reachable is not False or before.last_seen is None:
        return ""
    return f"found when {before.name} answered again; it was last seen at {before.last_seen:%Y-%m-%d %H:%M:%S} UTC"


def _seen(server: Server, listing: Listing) -> Iterator[tuple[LanguageModel, Copies]]:
    """The models, of every registry, that are in memory or were, with the copies that the server showed."""
    keys = {reported.key for reported in listing.models if reported.instances}
    here = LanguageModel.objects.filter(server=server)
    noted = ~Q(state=State.UNLOADED) | Q(pk__in=Instance.objects.filter(server=server).values("model"))
    keys |= set(here.filter(noted).values_list("key", flat=True))
    offered = [reported for reported in listing.models if reported.key in keys]
    models = here.filter(key__in=keys).order_by("registry", "pk")
    for _, group in groupby(models, key=lambda model: model.registry_id):
        known = list(group)
        found = {model: told.instances for model, told in pairing.paired(known, offered) if model is not None}
        # an entry that could not be read may be any of those that are not offered
        yield from (found if listing.rejected else dict.fromkeys(known, ()) | found).items()
