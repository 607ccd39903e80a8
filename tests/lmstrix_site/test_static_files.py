"""Static files: whole, partial and unchanged answers, also when a file is built again under a running process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import RequestFactory

from lmstrix_site.static_files import StaticFiles

TEXT = b"body { margin: 0 }"


@pytest.fixture
def served(tmp_path: Path, settings: LazySettings) -> Iterator[StaticFiles]:
    """The middleware over a folder with one style sheet."""
    (tmp_path / "some.css").write_bytes(TEXT)
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATIC_ROOT = None
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]
    yield StaticFiles(lambda request: HttpResponse(b"another page"))
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]


def ask(served: StaticFiles, url: str = "/static/some.css", **headers: str) -> HttpResponse:
    answer = served(RequestFactory().get(url, headers=headers))
    assert isinstance(answer, HttpResponse)
    return answer


def test_a_file_is_answered_whole_with_its_kind_and_how_long_it_keeps(served: StaticFiles) -> None:
    answer = ask(served)
    assert (answer.status_code, answer.content, answer.streaming) == (200, TEXT, False)
    assert answer["Content-Type"] == 'text/css; charset="utf-8"'
    assert answer["Cache-Control"] == "max-age=300, public"
    assert answer["Content-Length"] == str(len(TEXT))


def test_an_unchanged_file_is_not_sent_again(served: StaticFiles) -> None:
    answer = ask(served, if_none_match=ask(served)["ETag"])
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_range_is_sent_alone(served: StaticFiles) -> None:
    answer = ask(served, range="bytes=0-3")
    assert (answer.status_code, answer.content) == (206, TEXT[:4])
    assert answer["Content-Range"] == f"bytes 0-3/{len(TEXT)}"


def test_a_file_that_was_built_again_is_served_as_it_is_now(served: StaticFiles, tmp_path: Path) -> None:
    before = ask(served)
    fresh = tmp_path / "fresh"
    fresh.write_bytes(TEXT * 9)
    os.replace(fresh, tmp_path / "some.css")
    answer = ask(served, if_none_match=before["ETag"])
    assert (answer.status_code, answer.content) == (200, TEXT * 9)
    assert answer["Content-Length"] == str(9 * len(TEXT))


def test_a_file_that_is_gone_is_not_found(served: StaticFiles, tmp_path: Path) -> None:
    (tmp_path / "some.css").unlink()
    assert ask(served).status_code == 404


@pytest.mark.parametrize("url", ["/static/", "/static/../settings.py", "/static/none.css", "/"])
def test_what_is_no_static_file_goes_on_to_the_pages(served: StaticFiles, url: str) -> None:
    assert ask(served, url).content == b"another page"
