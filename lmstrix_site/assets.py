"""Copies what the pages need from node_modules into static/vendor: `python -m lmstrix_site.assets`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

# name in static/vendor -> file in node_modules
VENDOR_FILES = {
    "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "echarts.min.js": "echarts/dist/echarts.min.js",
    "inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-latin-ext.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
}
SPRITE = "sprite.svg"

# the icons that pages use, by their names in @tabler/icons (outline)
ICONS = (
    "activity-heartbeat", "adjustments-horizontal", "alert-triangle", "api", "arrow-down", "arrow-left",
    "arrow-right", "arrow-up", "arrows-diff", "arrows-sort", "box", "chart-histogram", "check", "chevron-down",
    "chevron-left",
    "chevron-right", "circle-check", "circle-x", "clock", "clock-exclamation", "copy", "cpu", "database", "dots",
    "download", "edit", "external-link", "eye", "eye-off", "file-off", "filter", "folder-plus", "git-merge",
    "history", "hourglass", "info-circle", "key", "layout-dashboard", "link", "list-check", "list-details", "lock",
    "login", "logout", "menu-2", "moon", "pencil", "pin", "player-eject", "player-play", "player-stop",
    "plug-connected", "plug-connected-x", "plus", "power", "refresh", "rotate", "rotate-clockwise", "ruler-2",
    "scale", "search", "server-2", "settings", "shield", "star", "sun", "tag", "test-pipe", "tool", "trash",
    "unlink", "upload", "user", "users", "x",
)  # fmt: skip


class MissingSource(Exception):
    """A file that node_modules should have; the text says what to run."""


def missing() -> list[str]:
    """Names in static/vendor that are not there yet."""
    return [name for name in (*VENDOR_FILES, SPRITE) if not (VENDOR / name).is_file()]


def build() -> list[Path]:
    """Fills static/vendor and gives the files written; raises MissingSource when npm has not run."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    written = []
    for name, source in VENDOR_FILES.items():
        content = _read(MODULES / source)
        # a map that is not there would be asked for by every open developer console
        if name.endswith((".js", ".css")):
            content = re.sub(rb"\n?(//|/\*)# sourceMappingURL=\S+( \*/)?", b"", content)
        written.append(_write(VENDOR / name, content))
    written.append(_write(VENDOR / SPRITE, _sprite().encode()))
    return written


def _sprite() -> str:
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "".join(map(_symbol, ICONS)) + "</svg>\n"


def _symbol(name: str) -> str:
    source = _read(MODULES / "@tabler/icons/icons/outline" / f"{name}.svg").decode()
    shapes = re.findall(r"<(?!svg|/svg)[^>]+>", source)
    visible = [" ".join(shape.split()) for shape in shapes if 'stroke="none"' not in shape]
    return f'<symbol id="{name}" viewBox="0 0 24 24">{"".join(visible)}</symbol>'


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingSource(f"{path.relative_to(ROOT)} is not there; run `npm ci` (or `make assets`) first.") from error


def _write(path: Path, content: bytes) -> Path:
    # whole or not at all: a web process may be serving it
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_bytes(content)
    return fresh.replace(path)


def main() -> int:
    try:
        written = build()
    except MissingSource as error:
        sys.stderr.write(f"assets: {error}\n")
        return 1
    size = sum(path.stat().st_size for path in written) / 1e6
    sys.stdout.write(f"assets: {len(written)} files, {size:.1f} MB in {VENDOR.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
