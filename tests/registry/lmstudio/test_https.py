"""HTTPS: the certificate is checked against the name, although the connection goes to a checked address."""

from __future__ import annotations

import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.lmstudio import transport
from registry.lmstudio.errors import Unreachable
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_lmstudio import ScriptedLMStudio


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An LM Studio with a certificate for box.test, signed by itself; every .test name leads to it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "box.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("box.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "box.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]
    )
    transport._tls_context.cache_clear()
    server = ScriptedLMStudio()
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(pem)
    with server:
        yield server
    transport._tls_context.cache_clear()


def test_the_certificate_of_the_name_is_accepted(secure: ScriptedLMStudio, ask: Ask) -> None:
    assert ask(lambda client: client.list_models(), url=f"https://box.test:{secure.port}").models


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
def test_the_certificate_of_another_name_is_refused(secure: ScriptedLMStudio, ask: Ask, host: str) -> None:
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        ask(lambda client: client.list_models(), url=f"https://{host}:{secure.port}", token="secret")
    assert not secure.requests


def test_a_certificate_that_nobody_vouches_for_is_refused(
    secure: ScriptedLMStudio, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        ask(lambda client: client.list_models(), url=f"https://box.test:{secure.port}")
