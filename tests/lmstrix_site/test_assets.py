"""What the pages need in a browser: copied from node_modules, complete, and nothing asked from elsewhere."""

import re
from pathlib import Path

import pytest

from lmstrix_site import assets, checks

TEMPLATES = assets.ROOT / "templates"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small node_modules and an empty static/vendor."""
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(assets, "MODULES", tmp_path / "node_modules")
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "static/vendor")
    monkeypatch.setattr(assets, "ICONS", ("box",))
    for source in assets.VENDOR_FILES.values():
        file = tmp_path / "node_modules" / source
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"body{}\n//# sourceMappingURL=x.map\n" if source.endswith("js") else b"body{}")
    icon = tmp_path / "node_modules/@tabler/icons/icons/outline/box.svg"
    icon.parent.mkdir(parents=True)
    icon.write_text('<svg width="24"><path stroke="none" d="M0 0h24"/><path\n d="M12 3l8 4" /></svg>')
    return tmp_path


def test_every_listed_file_is_copied_without_its_source_map_line(elsewhere: Path) -> None:
    assets.build()
    assert assets.missing() == []
    assert b"sourceMappingURL" not in (assets.VENDOR / "htmx.min.js").read_bytes()


def test_the_sprite_holds_each_icon_without_its_invisible_frame(elsewhere: Path) -> None:
    assets.build()
    sprite = (assets.VENDOR / assets.SPRITE).read_text()
    assert '<symbol id="box" viewBox="0 0 24 24"><path d="M12 3l8 4" /></symbol>' in sprite
    assert "M0 0h24" not in sprite


def test_without_node_modules_one_line_says_what_to_run(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "node_modules/htmx.org/dist/htmx.min.js").unlink()
    assert assets.main() == 1
    assert "run `npm ci`" in capsys.readouterr().err


def test_a_missing_asset_is_a_warning_with_its_remedy(elsewhere: Path) -> None:
    warnings = checks.assets_are_there([])
    assert [warning.hint for warning in warnings] == ["Run `make assets`."]
    assets.build()
    assert checks.assets_are_there([]) == []


def test_every_icon_of_a_template_is_in_the_sprite() -> None:
    used = {name for file in TEMPLATES.rglob("*.html") for name in re.findall(r'{% icon "([\w-]+)"', file.read_text())}
    assert used <= set(assets.ICONS)


def test_no_template_has_inline_script_or_style() -> None:
    forbidden = re.compile(r"\sstyle=|<style|hx-on|javascript:|\son[a-z]+=|<script(?![^>]*(?:\bsrc=|application/json))")
    found = {file.name: forbidden.findall(file.read_text()) for file in TEMPLATES.rglob("*.html")}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_the_npm_lock_names_no_address() -> None:
    assert "://" not in (assets.ROOT / "package-lock.json").read_text()
