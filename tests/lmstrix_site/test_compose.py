"""docker-compose.yml and Dockerfile, read as they stand (no engine is needed for that)."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("migrate", "web", "worker", "beat")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_the_services_are_the_processes_of_up_and_the_two_servers() -> None:
    assert set(SERVICES) == {*OURS, "postgres", "redis"}


def test_all_processes_run_one_image() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {"lmstrix"}


@pytest.mark.parametrize("name", OURS)
def test_every_process_uses_postgresql_and_redis(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment["DATABASE_URL"].startswith("postgres://")
    assert environment["DATABASE_URL"].endswith("@postgres:5432/lmstrix")
    assert environment["REDIS_URL"] == "redis://redis:6379/0"


@pytest.mark.parametrize("secret", ["LMSTRIX_SECRET_KEY", "LMSTRIX_ALLOWED_HOSTS", "POSTGRES_PASSWORD"])
def test_what_must_be_set_stops_the_start_when_it_is_not(secret: str) -> None:
    uses = re.findall(r"\$\{" + secret + r"([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    assert uses
    assert all(use.startswith(":?") for use in uses)


def test_the_tables_are_made_once_before_anything_uses_them() -> None:
    assert SERVICES["migrate"]["command"] == ["lmstrix", "prepare"]
    assert SERVICES["migrate"]["restart"] == "no"
    waiting = {name: SERVICES[name]["depends_on"]["migrate"]["condition"] for name in ("web", "worker", "beat")}
    assert set(waiting.values()) == {"service_completed_successfully"}


@pytest.mark.parametrize("name", ["web", "worker", "postgres", "redis"])
def test_what_can_hang_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_every_volume_is_declared() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert used == set(COMPOSE["volumes"])


def test_the_web_process_logs_no_request_lines() -> None:
    assert "--no-access-log" in SERVICES["web"]["command"]


def test_every_folder_that_the_image_takes_exists() -> None:
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert sources
    assert not [name for line in sources for name in line.split() if not (ROOT / name).exists()]
