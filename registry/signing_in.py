"""Makes the links that sign a person in."""

from pathlib import Path

from django.conf import settings

from registry.models import LoginLink, User

ADDRESS_FILE = "address"  # in the data directory: where `lmstrix up` listens, or did last
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104


def site_url() -> str:
    """Where the pages are found, without a slash at the end."""
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL)
    try:
        return (Path(settings.DATA_DIR) / ADDRESS_FILE).read_text().strip() or _configured_url()
    except OSError:
        return _configured_url()


def url_of(host: str, port: int) -> str:
    """The address of the pages on `host` and `port`, as a browser on this machine can open it."""
    host = "localhost" if host in WILDCARDS else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def link_for(user: User) -> str:
    """A fresh link: it signs `user` in once, within ten minutes."""
    return f"{site_url()}/login/?key={LoginLink.issue(user)}"


def _configured_url() -> str:
    return url_of(settings.HOST, settings.PORT)
