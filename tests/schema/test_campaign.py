"""Every operation of the OpenAPI document, tried with values that fit it and with values that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_server import ApiServer, api_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

# `make soak` asks for more
EXAMPLES = int(os.environ.get("LMSTRIX_SCHEMA_EXAMPLES", "6"))
THOROUGH = "LMSTRIX_SCHEMA_EXAMPLES" in os.environ
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
# rows that the smallest keys find
FILL = """
from tests.builders import *
from registry.models import Scan
server = make_server(name="scripted", base_url="{address}")
for number in range(3):
    test = make_test(model=make_model(server=server, key=f"model-{{number}}"))
    make_probe(test=test)
    make_job(status="failed")
    ApiToken.objects.create(pk=number + 1, name="other", digest=str(number))
    Scan.objects.create(server=server, registry=test.model.registry, job=make_job())
"""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[ApiServer]:
    with (
        ScriptedLMStudio([model("a"), model("b")]) as studio,
        api_server(tmp_path, fill=FILL.format(address=studio.url)) as running,
    ):
        yield running


@pytest.mark.timeout(1800 if THOROUGH else 180)
def test_the_api_keeps_to_its_document(web: ApiServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{web.url}/api/openapi.json"]
    command += ["--header", f"Authorization: {web.headers['Authorization']}", "--exclude-path", "/api/events"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--continue-on-failure"]
    command += ["--phases", "examples,coverage,fuzzing" + (",stateful" if THOROUGH else "")]
    command += ["--no-color", "--warnings", "off", "--request-timeout", "20"]
    command += ["--generation-database", "none"] if THOROUGH else ["--generation-deterministic", "--no-shrink"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "Traceback" not in web.log.read_text()
