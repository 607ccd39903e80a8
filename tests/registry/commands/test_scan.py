"""`lmstrix scan`."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registry.models import Job, LanguageModel, Registry, Scan, Server
from tests.builders import make_model, make_server
from tests.scripted_http import answer
from tests.scripted_lmstudio import LIST, ScriptedLMStudio, model

# the command works in threads of its own, so what a test writes has to be committed
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    models = [
        model("llama-3.2-3b-instruct", size_bytes=3_200_000_000, params_string="3.2B"),
        model("codellama-13b-python", size_bytes=13_000_000_000, params_string="13.0B"),
    ]
    with ScriptedLMStudio(models) as server:
        yield server


@pytest.fixture
def server(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url)


def scan(*arguments: str) -> str:
    output = io.StringIO()
    call_command("scan", *arguments, stdout=output)
    return output.getvalue()


def fails(*arguments: str) -> tuple[int, str]:
    """The exit code and what was said, on the output and as the error."""
    output = io.StringIO()
    with pytest.raises(CommandError) as stopped:
        call_command("scan", *arguments, stdout=output)
    return stopped.value.returncode, output.getvalue() + str(stopped.value)


def test_a_scan_is_one_line_a_server(server: Server) -> None:
    assert scan() == "shelf: 2 models, 2 new\n"
    job = Job.objects.get()
    assert (job.status, job.door, job.runner) == ("succeeded", "command", "command")


def test_a_verbose_scan_reads_as_the_guide_prints_it(server: Server, studio: ScriptedLMStudio) -> None:
    make_model(server=server, key="codellama-13b-python", last_tested=timezone.now(), size_bytes=13_000_000_000)
    text = scan("--verbose")
    lines = text.splitlines()
    assert lines[0] == f"🔍 Scanning LM Studio server at {studio.url}..."
    assert re.fullmatch(r"✅ Server connection successful \(ping: \d+ms\)", lines[1])
    assert lines[2:5] == ["📡 Discovering available models...", "", "Found 2 models:"]
    assert re.search(r"Model +┃ Size +┃ Parameters ┃ Type +┃ Status", text)
    assert re.search(r"│ llama-3.2-3b-instruct │ 3.2 GB +│ 3.2B +│ Chat +│ 🆕 New +│", text)
    assert re.search(r"│ codellama-13b-python +│ 13 GB +│ 13.0B +│ Code +│ ✅ Known +│", text)
    updates = lines[lines.index("📋 Registry Updates:") :]
    assert updates[1:4] == [
        "  • Added 1 new models", "  • Updated 1 existing models", "  • Preserved test results for 1 models",
    ]  # fmt: skip
    assert re.fullmatch(r"⏱️ Scan completed in \d+\.\d\d seconds", lines[-1])


def test_a_verbose_scan_names_what_is_missing_and_what_could_not_be_read(
    server: Server, studio: ScriptedLMStudio
) -> None:
    scan()
    del studio.models[0]
    assert "Marked 1 models missing: llama-3.2-3b-instruct" in scan("--verbose", "--refresh")
    studio.models.append({"key": 5})
    assert "Could not read models[1].type" in scan("--verbose", "--refresh")


def test_json_holds_everything_about_each_scan(server: Server, studio: ScriptedLMStudio) -> None:
    [told] = json.loads(scan("--json"))
    assert told["ping_seconds"] > 0
    assert {name: told[name] for name in ("server", "base_url", "found", "missing", "preserved", "error")} == {
        "server": "shelf", "base_url": studio.url, "found": 2, "missing": [], "preserved": 0, "error": None,
    }  # fmt: skip
    assert told["added"] == ["llama-3.2-3b-instruct", "codellama-13b-python"]


def test_a_list_of_a_moment_ago_is_used_again(server: Server, studio: ScriptedLMStudio) -> None:
    assert scan() == scan()
    assert len(studio.calls(LIST)) == 1


def test_a_refresh_asks_again(server: Server, studio: ScriptedLMStudio) -> None:
    scan()
    assert scan("--refresh") == "shelf: 2 models\n"
    assert len(studio.calls(LIST)) == 2


def test_an_older_list_is_asked_for_again(server: Server, studio: ScriptedLMStudio) -> None:
    scan()
    Job.objects.update(ended=timezone.now() - timedelta(seconds=6))
    scan()
    assert len(studio.calls(LIST)) == 2


def test_another_registry_gets_its_own_list(server: Server) -> None:
    Registry.objects.create(name="other")
    scan()
    assert scan("--registry", "other") == "shelf: 2 models, 2 new\n"
    assert LanguageModel.objects.count() == 4


def test_an_unknown_address_is_added(studio: ScriptedLMStudio) -> None:
    assert scan("--server", f"{studio.url}/v1/") == f"127.0.0.1:{studio.port}: 2 models, 2 new\n"
    assert Server.objects.get().base_url == studio.url


@pytest.mark.parametrize("way", ["shelf", "{url}", "{url}/api/v1"])
def test_a_known_server_is_found_by_name_or_address(server: Server, studio: ScriptedLMStudio, way: str) -> None:
    assert scan("--server", way.format(url=studio.url)) == "shelf: 2 models, 2 new\n"
    assert Server.objects.count() == 1


@pytest.mark.parametrize("known", [True, False])
def test_no_update_shows_and_changes_nothing(studio: ScriptedLMStudio, known: bool) -> None:
    if known:
        make_server(base_url=studio.url)
    before = list(Server.objects.values())
    text = scan("--server", studio.url, "--no-update")
    assert f"{studio.url} answers (ping: " in text
    assert "llama-3.2-3b-instruct" in text
    assert list(Server.objects.values()) == before
    assert not any(table.objects.exists() for table in (LanguageModel, Scan, Job))


def test_no_update_prints_json_too(server: Server) -> None:
    [told] = json.loads(scan("--no-update", "--json"))
    assert told["models"] == ["llama-3.2-3b-instruct", "codellama-13b-python"]


def test_no_update_shows_the_others_when_one_is_dead(server: Server) -> None:
    make_server(name="a-dead-one")
    code, said = fails("--no-update")
    assert (code, "codellama-13b-python" in said, "cannot be reached" in said) == (3, True, True)


def test_a_dead_server_is_exit_3_with_its_reason_and_the_others_are_read(server: Server) -> None:
    make_server(name="dead")
    code, said = fails()
    assert code == 3
    assert "❌ LM Studio at http://127.0.0.1:9/" in said
    assert "shelf: 2 models, 2 new" in said
    assert said.endswith("1 of 2 servers not read.")


def test_json_of_a_dead_server_is_still_json() -> None:
    make_server(name="dead")
    output = io.StringIO()
    with pytest.raises(CommandError, match="cannot be reached"):
        call_command("scan", "--json", stdout=output)
    assert "cannot be reached" in json.loads(output.getvalue())[0]["error"]


def test_an_error_that_is_none_of_the_server_is_exit_1(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.merging_scan.merge", lambda *_: 1 / 0)
    code, said = fails()
    assert (code, "❌ shelf: division by zero" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "There is no server yet; add one with `lmstrix scan --server http://HOST:1234`."),
        (["--server", "no such server"], "There is no server named no such server"),
        (["--server", "ftp://box"], "must start with http"),
        (["--registry", "nowhere"], "There is no registry named nowhere; there is "),
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], complaint: str) -> None:
    Registry.objects.default()
    code, said = fails(*arguments)
    assert (code, complaint in said) == (2, True)


def test_an_address_whose_name_is_taken_is_exit_2(studio: ScriptedLMStudio) -> None:
    make_server(name=f"127.0.0.1:{studio.port}")
    code, said = fails("--server", studio.url)
    assert (code, "There is already a server named" in said) == (2, True)


def test_names_from_a_server_are_printed_as_they_are(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models[0]["key"] = "[/red][bold]x[link=http://a]:smile:"
    studio.models[1]["key"] = "\x1b[2J\x1b]0;owned\x07"
    for text in (scan("--verbose"), scan("--verbose", "--no-update")):
        assert "[/red][bold]x[link=http://a]:smile:" in text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


def test_a_token_is_in_no_output(server: Server, studio: ScriptedLMStudio) -> None:
    server.token = "s3cret"
    server.save()
    studio.script(LIST, answer({"error": {"type": "invalid_request", "message": "bad token", "code": "x"}}, 401))
    code, said = fails("--verbose")
    assert (code, "s3cret" in said) == (3, False)


def test_the_console_script_gives_the_exit_code_and_the_reason(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment: dict[str, Any] = inherited | {"LMSTRIX_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "manage.py"), "scan", "--server", "http://127.0.0.1:9"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "❌ LM Studio at http://127.0.0.1:9 cannot be reached" in done.stdout
    assert "Traceback" not in done.stderr
    assert "1 of 1 servers not read." in done.stderr
