"""Reads the environment; a bad value is one line that names the variable."""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


class BadSetting(Exception):
    """A setting that cannot be used; the text names it and says what is allowed."""


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value not in TRUE | FALSE:
        raise BadSetting(f"{name} is {value!r}; use true or false.")
    return value in TRUE


def seconds(name: str, default: float) -> float:
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < 86_400:
        raise BadSetting(f"{name} is {value!r}; use a number of seconds above 0 and below 86400.")
    return number


def count(name: str, default: int) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or not 0 < int(value) < 10**9:
        raise BadSetting(f"{name} is {value!r}; use a whole number above 0.")
    return int(value)


def port(name: str, default: int) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or not 0 <= int(value) <= 65_535:
        raise BadSetting(f"{name} is {value!r}; use a port from 0 to 65535.")
    return int(value)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise BadSetting(f"{name} is {value!r}; use one of {', '.join(allowed)}.")
    return value


def address(name: str, default: str, schemes: tuple[str, ...]) -> str:
    """A URL with one of `schemes`; a trailing slash is dropped."""
    value = text(name, default)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        good = parts.scheme in schemes and (bool(parts.hostname) or parts.scheme in {"unix", "redis+socket", "sqlite"})
    except ValueError:
        good = False
    if not good:
        # the value itself may hold a password, so it is not repeated
        starts = " or ".join(f"{scheme}://" for scheme in schemes)
        raise BadSetting(f"{name} is not a usable address; it must start with {starts}.")
    return value.rstrip("/")


def file(name: str, default: str) -> Path | None:
    """A file's absolute path; None when the variable is there and empty."""
    value = os.environ.get(name, default).strip()
    path = Path(value).expanduser()
    if value and not path.is_absolute():
        raise BadSetting(f"{name} is {value!r}; use an absolute path, one that starts with ~, or nothing.")
    return path if value else None


def data_dir() -> Path:
    """Where everything is kept: LMSTRIX_DATA_DIR or the platform's user data directory."""
    chosen = text("LMSTRIX_DATA_DIR")
    folder = Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("lmstrix", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadSetting(
            f"The data directory {folder} cannot be written ({error.strerror}); "
            "set LMSTRIX_DATA_DIR or --data-dir to one that can."
        ) from error
    return folder.resolve()


def run_dir(data: Path) -> Path:
    """A short private folder for sockets: a socket's path may have 107 bytes, a data directory may be long."""
    base = Path(text("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    tag = hashlib.sha256(str(data).encode()).hexdigest()[:10]
    folder = base / f"lmstrix-{os.getuid()}-{tag}"
    if len(str(folder)) > 90:
        folder = Path("/tmp") / folder.name  # noqa: S108
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        stat = folder.lstat()
    except OSError as error:
        raise BadSetting(f"The run directory {folder} cannot be made ({error}); set XDG_RUNTIME_DIR.") from error
    if stat.st_uid != os.getuid() or stat.st_mode & 0o077 or folder.is_symlink():
        raise BadSetting(f"The run directory {folder} is not private to this user; remove it or set XDG_RUNTIME_DIR.")
    return folder


def secret_key(data: Path, database_url: str) -> str:
    """LMSTRIX_SECRET_KEY, or one made at the first start and kept in the data directory (mode 0600)."""
    given = text("LMSTRIX_SECRET_KEY")
    if given:
        if len(given) < 32:
            raise BadSetting("LMSTRIX_SECRET_KEY is too short; use at least 32 characters.")
        return given
    if database_url:
        raise BadSetting("LMSTRIX_SECRET_KEY is not set; it is required with DATABASE_URL (32 characters or more).")
    path = data / "secret-key"
    if not path.exists():
        made = data / f".secret-key-{os.getpid()}"
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as fresh:
            fresh.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(made, path)
        made.unlink()
    kept = path.read_text().strip()
    if len(kept) < 32:
        raise BadSetting(f"{path} is damaged; put the old key back, or remove it and enter LM Studio tokens again.")
    return kept
