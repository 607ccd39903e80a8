"""What has to be right before anything is started; each fault is one line that says what to do."""

import errno
import ipaddress
import socket

import httpx

from lmstrix_site import assets, environment
from registry.models import Role, User

PROBE_SECONDS = 1.0


class Refusal(Exception):
    """`up` cannot start; the text says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens for the pages; raises Refusal where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"Port {port} on {host} is in use; end the program there or choose another: --port {port + 1}."
        elif error.errno == errno.EACCES:
            text = f"Port {port} needs special rights; choose one above 1023, for example --port 8000."
        else:
            text = f"{host!r} is not an address of this machine ({error.strerror}); use --host 127.0.0.1."
        raise Refusal(text) from error


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_hosts(host: str) -> None:
    """Who listens to the network has to say under which names; raises Refusal."""
    if not is_loopback(host) and not environment.text("LMSTRIX_ALLOWED_HOSTS"):
        raise Refusal(
            f"--host {host} can be reached from the network: set LMSTRIX_ALLOWED_HOSTS to the names people will use, "
            "separated by commas."
        )


def check_password(host: str) -> None:
    """Who listens to the network needs an admin with a password; raises Refusal."""
    if is_loopback(host):
        return
    admins = User.objects.filter(role=Role.ADMIN, is_active=True)
    if not any(admin.has_usable_password() for admin in admins):
        raise Refusal(
            f"--host {host} can be reached from the network and no admin has a password: "
            "run `lmstrix changepassword admin` first."
        )


def missing_assets() -> str:
    """What to say when the pages lack their scripts and styles; empty when they are there."""
    if not assets.missing():
        return ""
    return "The styles and scripts of the pages are missing (static/vendor); run `make assets`."


def lm_studio_answers(base_url: str, token: str) -> bool:
    """Whether an LM Studio is there (one that asks for a token counts), asked within a second."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(f"{base_url.rstrip('/')}/api/v1/models", headers=headers, timeout=PROBE_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.status_code in (200, 401, 403) and "json" in answer.headers.get("content-type", "")
