"""The spool: what was noted of a request survives its process, once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from registry.gateway import journal, spool
from registry.gateway.journal import Entry
from registry.gateway.spool import Spool

ROOT = Path(__file__).resolve().parents[3]
BEGUN = {"model_key": "m", "started": "2026-01-01T00:00:00+00:00"}
KILLS = 200 if os.environ.get("LMSTRIX_SOAK") else 6


def die(dead: Spool) -> Path:
    """What the end of its process does to a spool: the lock is gone, the files stay."""
    os.close(dead._held)
    return dead._own


def all_of(living: Spool, *, limit: int = 100) -> list[Entry]:
    found: list[Entry] = []
    while some := living.take(limit):
        found += some
    living.settle()
    return found


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.jsonl"))


def test_a_request_comes_out_when_it_has_ended_with_all_that_was_told(tmp_path: Path) -> None:
    own, uuid = Spool(tmp_path), uuid4()
    assert own.begin(uuid, BEGUN)
    own.checkpoint(uuid, {"tokens_out": 5})
    assert own.take(10) == []
    own.end(uuid, {"tokens_out": 9, "outcome": "ok"})
    assert own.take(10) == [Entry(uuid, BEGUN | {"tokens_out": 9, "outcome": "ok"})]
    assert own.take(10) == []


def test_what_a_dead_process_had_begun_is_interrupted_with_its_last_checkpoint(tmp_path: Path) -> None:
    dead, uuid = Spool(tmp_path), uuid4()
    dead.begin(uuid, BEGUN)
    for tokens in (3, 7):
        dead.checkpoint(uuid, {"tokens_out": tokens})
    die(dead)
    living = Spool(tmp_path)
    assert living.adopt() == 1
    assert all_of(living) == [Entry(uuid, BEGUN | {"tokens_out": 7, "outcome": "interrupted"})]


def test_the_folder_of_a_dead_process_goes_when_all_of_it_is_recorded(tmp_path: Path) -> None:
    dead = Spool(tmp_path)
    dead.begin(uuid4(), BEGUN)
    folder, living = die(dead), Spool(tmp_path)
    living.adopt()
    living.take(10)
    living.take(10)
    assert folder.exists()
    living.settle()
    assert not folder.exists()


def test_who_adopts_and_dies_before_it_recorded_leaves_it_to_the_next(tmp_path: Path) -> None:
    dead, uuid = Spool(tmp_path), uuid4()
    dead.begin(uuid, BEGUN)
    die(dead)
    second = Spool(tmp_path)
    second.adopt()
    second.take(10)
    second.close()
    third = Spool(tmp_path)
    assert third.adopt() == 1
    assert [entry.uuid for entry in all_of(third)] == [uuid]


def test_the_files_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    living, other = Spool(tmp_path), Spool(tmp_path)
    living.begin(uuid4(), BEGUN)
    assert other.adopt() == 0
    assert all_of(other) == []


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_is_dropped_and_the_lines_before_it_count(tmp_path: Path, cut: int) -> None:
    dead, whole, torn = Spool(tmp_path), uuid4(), uuid4()
    for uuid in (whole, torn):
        dead.begin(uuid, BEGUN)
        dead.end(uuid, {"outcome": "ok"})
    file = journal.segment(die(dead), 1)
    os.truncate(file, file.stat().st_size - cut)
    living = Spool(tmp_path)
    living.adopt()
    outcomes = {entry.uuid: entry.fields["outcome"] for entry in all_of(living)}
    assert outcomes == {whole: "ok", torn: "interrupted"}


def test_a_line_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    own, uuid = Spool(tmp_path), uuid4()
    for line in (b"\xff\xfe\n", b"[]\n", b'["e", "x", {}]\n', b'["b", "' + uuid4().hex.encode() + b'", 5]\n', b"\n"):
        os.write(own._fd, line)
    own.begin(uuid, BEGUN)
    own.end(uuid, {})
    assert [entry.uuid for entry in own.take(10)] == [uuid]


def test_a_text_that_is_no_text_is_noted_all_the_same(tmp_path: Path) -> None:
    own, uuid = Spool(tmp_path), uuid4()
    assert own.begin(uuid, {"model_key": "half \ud800 a sign"})
    own.end(uuid, {})
    assert own.take(10)[0].fields == {"model_key": "half ? a sign"}


def test_a_full_spool_says_so_counts_the_loss_and_still_notes_ends(tmp_path: Path) -> None:
    own, noted, lost = Spool(tmp_path, max_bytes=40_000), list[UUID](), list[UUID]()
    for uuid in (uuid4() for _ in range(100)):
        (noted if own.begin(uuid, BEGUN) else lost).append(uuid)
    for uuid in (*noted, *lost):
        own.checkpoint(uuid, {"tokens_out": 1})
        own.end(uuid, {"outcome": "ok", "keep": {"request": "x" * 9_000}})
    assert own.lost == len(lost) > 0
    assert {entry.uuid for entry in all_of(own)} == set(noted)
    assert size(tmp_path) <= 40_000


def test_a_full_spool_takes_requests_again_when_it_was_emptied(tmp_path: Path) -> None:
    own = Spool(tmp_path, max_bytes=40_000)
    for _ in range(20):
        while own.begin(uuid := uuid4(), BEGUN):
            own.end(uuid, {"outcome": "ok"})
        assert all_of(own)
    assert own.lost == 20


def test_files_whose_requests_are_all_recorded_are_deleted(tmp_path: Path) -> None:
    own, stays = Spool(tmp_path, max_bytes=80_000), uuid4()
    own.begin(stays, BEGUN)  # and is carried from file to file
    for _ in range(2_000):
        own.begin(uuid := uuid4(), BEGUN)
        own.end(uuid, {"outcome": "ok"})
        if own.pending >= 50:
            all_of(own)
    all_of(own)
    assert size(tmp_path) < 12_000
    assert len(journal.segments(own._own)) == 1
    die(own)
    living = Spool(tmp_path)
    living.adopt()
    assert stays in {entry.uuid for entry in all_of(living)}


def test_an_old_file_is_left_for_a_new_one_even_when_little_happens(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(spool, "SEGMENT_SECONDS", 0.0)
    own = Spool(tmp_path)
    own.begin(uuid := uuid4(), BEGUN)
    own.end(uuid, {})
    all_of(own)
    all_of(own)
    assert size(tmp_path) == 0


def test_a_write_that_fails_half_way_leaves_no_half_line(tmp_path: Path, monkeypatch: Any) -> None:
    own, real = Spool(tmp_path), os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    assert not own.begin(uuid4(), BEGUN)
    monkeypatch.undo()
    uuid = uuid4()
    assert own.begin(uuid, BEGUN)
    own.end(uuid, {})
    assert [entry.uuid for entry in own.take(10)] == [uuid]
    assert own.lost == 1


def test_without_a_place_to_write_all_is_lost_until_there_is_one(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    place.write_text("in the way")
    own = Spool(place)
    assert not own.begin(uuid4(), BEGUN)
    assert (own.adopt(), own.take(10), own.lost) == (0, [], 1)
    own.settle()
    place.unlink()
    uuid = uuid4()
    assert own.begin(uuid, BEGUN)
    own.end(uuid, {})
    assert [entry.uuid for entry in own.take(10)] == [uuid]


def test_a_spool_that_is_closed_with_nothing_left_leaves_no_files(tmp_path: Path) -> None:
    own = Spool(tmp_path)
    own.begin(uuid := uuid4(), BEGUN)
    own.end(uuid, {})
    all_of(own)
    own.close()
    own.end(uuid4(), {})
    assert list(tmp_path.iterdir()) == []


def test_threads_may_use_it_at_once(tmp_path: Path) -> None:
    own = Spool(tmp_path, max_bytes=2**20)

    def use(_: int) -> set[UUID]:
        mine = {uuid for uuid in (uuid4() for _ in range(200)) if own.begin(uuid, BEGUN)}
        for uuid in mine:
            own.checkpoint(uuid, {"tokens_out": 1})
            own.end(uuid, {"outcome": "ok"})
        return mine

    with ThreadPoolExecutor(4) as pool:
        noted = set[UUID]().union(*pool.map(use, range(4)))
    found = [entry.uuid for entry in all_of(own)]
    assert set(found) == noted
    assert len(found) == 800


def _adopt(folder: str, barrier: Any, answers: Any) -> None:
    own = Spool(Path(folder))
    barrier.wait()
    own.adopt()
    answers.put([entry.uuid for entry in all_of(own)])
    own.close()


def test_of_processes_that_adopt_at_once_exactly_one_gets_each(tmp_path: Path) -> None:
    noted = []
    for _ in range(30):
        dead = Spool(tmp_path)
        dead.begin(uuid := uuid4(), BEGUN)
        noted.append(uuid)
        die(dead)
    context = get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    both = [context.Process(target=_adopt, args=(str(tmp_path), barrier, answers)) for _ in range(2)]
    for process in both:
        process.start()
    found = answers.get(timeout=30) + answers.get(timeout=30)
    for process in both:
        process.join()
    assert sorted(found) == sorted(noted)


def test_a_process_killed_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Every request whose last byte a client got is there as answered; the others are interrupted, or not begun."""
    chance = Random(7)
    for number in range(KILLS):
        folder, notes = tmp_path / f"spool {number}", tmp_path / f"notes {number}"
        command = [sys.executable, "-m", "tests.registry.gateway.spooling", str(folder), str(notes)]
        with subprocess.Popen(command, cwd=ROOT) as process:
            while not notes.exists() or notes.stat().st_size < 20_000:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.15))
            process.kill()
        told = notes.read_text().splitlines()
        living = Spool(folder)
        assert living.adopt() == 1
        left = all_of(living)
        living.close()
        _check(told, left)


def _check(told: list[str], left: list[Entry]) -> None:
    begun, ended, recorded, seen = set[UUID](), dict[UUID, int](), dict[UUID, int](), dict[UUID, int]()
    for kind, name, count in (line.split() for line in told):
        uuid = UUID(name)
        if kind == "b":
            begun.add(uuid)
        else:
            {"c": seen, "e": ended, "r": recorded}[kind][uuid] = int(count)
    assert len(ended) > 100
    found = {entry.uuid: entry.fields for entry in left}
    assert len(found) == len(left)
    for uuid, tokens in ended.items():
        known = recorded.get(uuid, found.get(uuid, {}).get("tokens_out"))
        assert known == tokens
        assert uuid in recorded or found[uuid]["outcome"] == "ok"
    unknown = [found[uuid] for uuid in begun - ended.keys() - recorded.keys()]
    assert len(unknown) <= 8
    assert all(fields["outcome"] in ("ok", "interrupted") for fields in unknown)
    # the last checkpoint that was told, but for the one request that was being noted at the end
    stopped = [uuid for uuid in seen.keys() & found.keys() if found[uuid]["outcome"] == "interrupted"]
    assert sum(found[uuid]["tokens_out"] != seen[uuid] for uuid in stopped) <= 1
