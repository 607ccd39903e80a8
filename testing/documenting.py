"""Context tests with their probes in contents: how exports and snapshots take them along, and bring them back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter

from django.db.models import QuerySet

from registry.columns import Columns
from registry.contents import ATTACHED, CHUNK, Attachment
from registry.documents.content import Fields
from registry.models import LanguageModel
from registry.models.job import OPEN
from testing.models import ContextTest, Probe

BATCH = 500
# all but how it is stored here: job, model and server are rows of this installation
TEST = Columns(ContextTest, (f.name for f in ContextTest._meta.concrete_fields if not f.is_relation and f.name != "id"))
PROBE = Columns(Probe, (f.name for f in Probe._meta.concrete_fields if not f.is_relation and f.name != "id"))

Kept = dict[int, list[tuple[int, Fields]]]  # by model: primary key and fields of each test, oldest first


def read(models: QuerySet[LanguageModel]) -> dict[int, list[Fields]]:
    """The tests that have ended, oldest first, each with its probes in order."""
    return {model: [fields for _, fields in tests] for model, tests in _kept(models).items()}


def _kept(models: QuerySet[LanguageModel]) -> Kept:
    ended = ContextTest.objects.filter(model__in=models.order_by().values("pk")).exclude(job__status__in=OPEN)
    kept: Kept = defaultdict(list)
    told: dict[int, Fields] = {}
    rows = ended.order_by("created", "pk").values_list("pk", "model_id", *TEST.names)
    for pk, model, *row in rows.iterator(chunk_size=CHUNK):
        told[pk] = TEST.told(row) | {"probes": []}
        kept[model].append((pk, told[pk]))
    probes = Probe.objects.filter(test__in=ended.order_by().values("pk")).order_by("test", "order")
    for test, *row in probes.values_list("test_id", *PROBE.names).iterator(chunk_size=CHUNK):
        if test in told:
            told[test]["probes"].append(PROBE.told(row))
    return kept


def write(models: QuerySet[LanguageModel], wanted: dict[int, list[Fields]]) -> tuple[int, int, int]:
    """Makes the ended tests of each model the wanted ones, matched by when they were made; one under way stays.

    Numbers of tests that were added, changed and deleted. What was tested on no server cannot be kept.
    """
    before = _kept(models)
    servers = dict(models.exclude(server=None).order_by().values_list("pk", "server_id"))
    new: list[tuple[ContextTest, list[Fields]]] = []
    gone: list[int] = []
    changed = 0
    for model, tests in wanted.items():
        had = defaultdict(list)
        for pk, fields in before.get(model, ()):
            had[fields["created"]].append((pk, fields))
        for test in tests if model in servers else ():
            if same := had.get(test["created"]):
                changed += _change(*same.pop(0), test)
            else:
                row = ContextTest(model_id=model, server_id=servers[model], **TEST.values(test))
                new.append((row, test.get("probes") or []))
        gone += [pk for left in had.values() for pk, _ in left]
    for start in range(0, len(gone), BATCH):
        ContextTest.objects.filter(pk__in=gone[start : start + BATCH]).delete()
    ContextTest.objects.bulk_create([row for row, _ in new])
    _add_probes((row.pk, probes) for row, probes in new)
    return len(new), changed, len(gone)


def _change(pk: int, before: Fields, wanted: Fields) -> bool:
    """Writes what differs of one test; whether anything did."""
    changes = TEST.changes(before, wanted)
    if changes:
        ContextTest.objects.filter(pk=pk).update(**TEST.values(changes))
    probes = wanted.get("probes")
    if probes is None or _same(before["probes"], probes):
        return bool(changes)
    Probe.objects.filter(test=pk).delete()
    _add_probes([(pk, probes)])
    return True


def _same(before: list[Fields], wanted: list[Fields]) -> bool:
    pairs = zip(before, sorted(wanted, key=itemgetter("order")), strict=False)
    return len(before) == len(wanted) and not any(PROBE.changes(had, probe) for had, probe in pairs)


def _add_probes(tests: Iterable[tuple[int, list[Fields]]]) -> None:
    Probe.objects.bulk_create(Probe(test_id=pk, **PROBE.values(probe)) for pk, probes in tests for probe in probes)


ATTACHED["tests"] = Attachment(read, write)
