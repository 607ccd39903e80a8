"""Text of a wanted number of tokens with facts in it."""

import random

from hypothesis import given
from hypothesis import strategies as st

from testing import filler

FACTS = filler.draw_facts(random.Random(1))


def test_two_counts_give_tokens_per_record_and_of_the_frame() -> None:
    assert filler.calibrate(4, 174, 24, 594) == filler.Calibration(per_record=21.0, frame=90.0)


def test_counts_that_make_no_sense_give_no_calibration() -> None:
    assert filler.calibrate(4, 100, 24, 100) is None


@given(st.integers(1024, 2_000_000), st.floats(8, 60), st.floats(20, 400))
def test_a_text_misses_the_target_by_less_than_one_record(context: int, per_record: float, frame: float) -> None:
    counted = filler.Calibration(per_record, frame)
    wanted = filler.target(context)
    sent = counted.tokens_of(counted.records_for(wanted))
    assert wanted - per_record - 1 <= sent <= max(wanted + 1, round(frame))


@given(st.integers(0, 400))
def test_every_text_holds_each_fact_once(records: int) -> None:
    made = filler.text(records, FACTS)
    assert all(made.count(str(fact.code)) == 1 for fact in FACTS)


def test_facts_lie_near_the_start_in_the_middle_and_near_the_end() -> None:
    made = filler.text(1000, FACTS)
    places = [made.index(str(fact.code)) / len(made) for fact in FACTS]
    assert [round(place, 1) for place in places] == [0.0, 0.5, 1.0]


def test_records_have_one_length_whatever_their_number() -> None:
    assert len({len(filler.RECORD.format(number=number)) for number in (1, 99, 99_999)}) == 1


def test_each_text_draws_fresh_codes() -> None:
    assert filler.draw_facts(random.Random(1)) != filler.draw_facts(random.Random(2))


def test_only_whole_codes_count_as_recalled() -> None:
    codes = [fact.code for fact in FACTS]
    assert filler.recalled(f"amber {codes[0]}, birch {codes[1]}9", FACTS) == 1


def test_a_small_window_keeps_room_for_the_answer() -> None:
    assert filler.target(256) == 192
