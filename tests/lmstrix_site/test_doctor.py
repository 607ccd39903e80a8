"""`lmstrix doctor` names what is wrong, with what to do about it."""

import json
import os
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from lmstrix_site import assets, doctor
from lmstrix_site.doctor import BAD, OK, WARN, Finding
from registry.models import Pulse, Server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LMSTRIX_SECRET_KEY", raising=False)
    tmp_path.chmod(0o700)
    (tmp_path / "logs").mkdir()
    key = tmp_path / "secret-key"
    key.touch(0o600)
    settings.DATA_DIR = tmp_path
    return tmp_path


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_good_database_is_ok() -> None:
    assert only(doctor.database()).level == OK


def test_a_readable_secret_key_is_bad_and_the_remedy_closes_it(data_dir: Path) -> None:
    (data_dir / "secret-key").chmod(0o644)
    finding = only(doctor.secret_key())
    assert finding.level == BAD
    assert finding.remedy == f"chmod 600 {data_dir / 'secret-key'}"


def test_missing_assets_are_bad(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assets, "VENDOR", tmp_path)
    finding = only(doctor.page_assets())
    assert finding.level == BAD
    assert "make assets" in finding.remedy


def test_a_redis_that_does_not_answer_is_bad(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.REDIS_URL = settings.REDIS_CLIENT_URL = f"redis://127.0.0.1:{free.getsockname()[1]}/0"
    finding = only(doctor.broker())
    assert finding.level == BAD
    assert "REDIS_URL" in finding.remedy


def test_a_private_valkey_that_is_not_started_is_no_fault(settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_URL, settings.REDIS_CLIENT_URL = "", f"unix://{tmp_path}/none.sock"
    assert only(doctor.broker()).level == WARN


def test_a_worker_seen_just_now_is_ok() -> None:
    Pulse.objects.beat("worker")
    assert only(doctor.workers()).level == OK


def test_a_server_that_does_not_answer_is_named_with_its_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        Server.objects.create(name="attic", base_url=f"http://127.0.0.1:{free.getsockname()[1]}")
    finding = only(doctor.servers())
    assert (finding.area, finding.level) == ("server attic", WARN)
    assert finding.remedy


def test_the_last_error_of_a_log_is_shown(data_dir: Path) -> None:
    (data_dir / "logs" / "worker.log").write_text("2026 INFO x: y\n2026 ERROR x: disk is full\n2026 INFO x: y\n")
    finding = only(doctor.logs())
    assert finding.level == WARN
    assert "disk is full" in finding.text


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise OSError("no such device")

    monkeypatch.setattr(doctor, "CHECKS", (broken, doctor.versions))
    assert [finding.area for finding in doctor.examine()] == ["broken", "versions"]


def test_the_command_exits_1_when_something_is_bad(data_dir: Path) -> None:
    os.chmod(data_dir / "secret-key", 0o644)
    output = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "--json", stdout=output)
    assert end.value.code == 1
    assert {finding["level"] for finding in json.loads(output.getvalue())} >= {OK, BAD}
