"""The server-drawn instruments: where things stand on the ruler, and that names cannot break out of the SVG."""

import re

import pytest
from django.template import Context, Template

from registry.templatetags import instruments, rulers
from registry.templatetags.drawing import Scale, el, short


def test_the_ruler_has_one_cell_per_doubling_from_1k_to_256k() -> None:
    scale = Scale()
    assert scale.cells == 8
    assert [text for _, text in scale.ticks()] == ["1k", "2k", "4k", "8k", "16k", "32k", "64k", "128k", "256k"]
    assert scale.at(1024) == 0.0
    assert scale.at(16384) == 0.5
    assert scale.at(262144) == 1.0


@pytest.mark.parametrize(("sizes", "ends"), [((1_010_000,), (10, 20)), ((256,), (8, 18)), ((None, 0), (10, 18))])
def test_the_ruler_stretches_for_what_does_not_fit(sizes: tuple[int | None, ...], ends: tuple[int, int]) -> None:
    scale = Scale.holding(*sizes)
    assert (scale.low, scale.high) == ends


def test_round_sizes_are_told_shortly() -> None:
    assert [short(n) for n in (512, 2048, 37_632, 9_984, 2**20)] == ["512", "2k", "37,632", "9,984", "1M"]


def test_a_name_cannot_break_out_of_a_drawing() -> None:
    drawn = el("text", "<script>", aria_label='" onload="x')
    assert "<script>" not in drawn
    assert 'onload="' not in drawn


def test_the_meter_shows_tested_of_declared() -> None:
    widths = re.findall(r'class="i-(decl|ok)" x="0" y="0" width="([\d.]+)"', instruments.meter(131072, 16384))
    assert widths == [("decl", "115.5"), ("ok", "66.0")]


def test_the_meter_of_an_unknown_model_is_empty() -> None:
    assert "i-decl" not in instruments.meter(None)
    assert "i-ok" not in instruments.meter(8192)


def test_the_ruler_says_its_numbers_to_a_screen_reader() -> None:
    drawn = rulers.ruler(131072, 37632, None, 65536)
    assert 'aria-label="tested 37,632, declared 131,072, loaded now 65,536"' in drawn


def test_labels_of_the_ruler_that_would_touch_stand_in_rows() -> None:
    flags = rulers._flags(8192, 8192, 8192)
    assert [flag.text for flag in flags] == ["tested 8,192, as declared", "loaded now 8,192"]
    assert rulers._rows(flags, Scale()) == [0, 1]


@pytest.mark.parametrize(("low", "high"), [(0, None), (2048, None), (0, 2048), (36864, 40960), (256, 512)])
@pytest.mark.parametrize("declared", [None, 512, 8192, 131072, 10_000_000])
def test_a_bracket_is_drawn_at_every_stage(low: int, high: int | None, declared: int | None) -> None:
    drawn = rulers.enlarged_bracket(low, high, declared, 2048, 4096, "out of memory") + rulers.bracket(
        low, high, declared
    )
    shares = [float(share) for share in re.findall(r'(?:x|width|x1)="([-\d.]+)%"', drawn)]
    assert all(0 <= share <= 100 for share in shares)


def test_the_needle_on_the_left_has_its_label_on_the_left() -> None:
    drawn = rulers.enlarged_bracket(36864, 40960, 262144, 38912, 39240)
    assert re.search(r'text-anchor="end">trying 38,912', drawn)
    assert re.search(r'text-anchor="start">estimate 39,240', drawn)


def test_the_memory_bar_needs_a_known_limit() -> None:
    assert instruments.memory(None, []) == ""


def test_more_than_the_memory_holds_stays_inside_the_bar() -> None:
    segments = [{"name": "a", "bytes": 30, "text": "30 bytes", "klass": "seg-1"}]
    drawn = instruments.memory(20, segments)
    assert 'width="100.00%"' in drawn
    assert 'class="limit" x1="66.67%"' in drawn


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("tested", "ok"),
        ("loading", "busy live"),
        ("stale", "warn"),
        ("failed", "bad"),
        ("untested", "idle"),
        ("missing", "off"),
    ],
)
def test_every_state_has_its_shape_and_its_word(word: str, shape: str) -> None:
    assert instruments.state(word) == f'<span class="st st-{shape}">{word}</span>'


def test_progress_is_told_and_kept_between_0_and_100() -> None:
    assert 'aria-valuenow="100"' in instruments.progress(7.0)
    assert 'aria-valuenow="0"' in instruments.progress(None)


def test_icons_come_from_the_sprite() -> None:
    drawn = Template('{% icon "box" %}').render(Context())
    assert 'href="/static/vendor/sprite.svg#box"' in drawn
    assert 'aria-hidden="true"' in drawn
