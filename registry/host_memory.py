"""Memory of a server on this host: resident memory of the process that listens on its port and of its children."""

import os
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

from registry.lmstudio.address import LOOPBACK

# programs that carry a port of another machine to this one: the server is not here
FORWARDERS = frozenset({"ssh", "sshd", "autossh", "socat", "kubectl", "docker-proxy", "cloudflared"})


def is_local(base_url: str) -> bool:
    """Whether the address is one of this host's own (a tunnel may still lead elsewhere)."""
    return urlsplit(base_url).hostname in LOOPBACK


def port_of(base_url: str) -> int:
    parts = urlsplit(base_url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def listeners() -> dict[int, int]:
    """The process ids that listen on this host, by TCP port; without those of other users. Reads every socket."""
    with suppress(psutil.Error, OSError):
        found = psutil.net_connections("tcp")
        return {at.laddr.port: at.pid for at in found if at.status == psutil.CONN_LISTEN and at.laddr and at.pid}
    return {}


def listener(base_url: str, known: Mapping[int, int] | None = None) -> psutil.Process | None:
    """The process that listens at a loopback address; None where it cannot be known (another host, another user)."""
    if not is_local(base_url):
        return None
    pid = (listeners() if known is None else known).get(port_of(base_url))
    with suppress(psutil.Error):
        return psutil.Process(pid) if pid else None
    return None


def is_forwarded(process: psutil.Process | None) -> bool:
    """Whether the listener is a tunnel to another machine."""
    if process is None:
        return False
    with suppress(psutil.Error):
        return process.name() in FORWARDERS
    return False


def serving_process(base_url: str) -> psutil.Process | None:
    """The process of a server on this host, unless it is this one or one of its parents, or a tunnel."""
    return of_server(listener(base_url))


def of_server(process: psutil.Process | None) -> psutil.Process | None:
    """The listener, where its memory is the server's: it is no tunnel, not this process and no parent of it."""
    if process is None or is_forwarded(process):
        return None
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return None if process.pid in own else process


def resident_bytes(process: psutil.Process | None) -> int | None:
    """Resident memory of the process and its descendants, in bytes; None when it is gone or unknown."""
    if process is None:
        return None
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for member in family:
        with suppress(psutil.Error):
            total += member.memory_info().rss
    return total or None
