"""The shape of the house: floors, direction, sizes, and a test for every door."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from celery import current_app
from django.core.management import call_command, get_commands

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("registry", "testing", "lmstrix_site")  # each imports only from itself and those before it
MAX_LINES, MAX_FUNCTION = 250, 40

DOORS = {
    "views", "api", "admin", "forms", "tasks", "management", "templatetags", "scripting", "urls", "apps", "access",
    "gateway",
}  # fmt: skip
# no Django models, no I/O; `sealing` reads the secret key, `lmstudio` speaks HTTP
PURE = {
    "registry": {
        "lmstudio",
        "facts",
        "sealing",
        "waiting",
        "documents",
        "filters",
        "naming",
        "sizes",
        "suggesting",
        "autotags",
        "rendering",
        "diffing",
        "merging",
        "three_way",
        "uniting",
        "strategies",
        "spelling",
        "placing",
        "summing",
        "sketches",
        "eviction_plan",
        "drifting",
        "load_options",
        "host_memory",
    },
    "testing": {"search", "filler", "measuring", "engine"},
}
DOOR, VERB, TABLE, BELOW = 3, 2, 1, 0
FLOORS = {DOOR: "a door", VERB: "a verb", TABLE: "a table", BELOW: "pure"}


@cache
def sources() -> tuple[Path, ...]:
    """Every Python file of the three packages, without migrations."""
    found = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return tuple(sorted(file for file in found if "migrations" not in file.parts))


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Each imported name in full, with its line; what is imported for type checkers only counts too."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def floor(module: str) -> int:
    """On which floor of its app a module stands."""
    app, *rest = module.split(".")
    first = rest[0] if rest else "apps"
    if first in DOORS:
        return DOOR
    if first == "models":
        return TABLE
    return BELOW if first in PURE[app] else VERB


def told(faults: list[str]) -> str:
    return "\n" + "\n".join(faults)


def test_packages_import_only_downwards() -> None:
    faults = []
    for file in sources():
        above = PACKAGES[PACKAGES.index(file.relative_to(ROOT).parts[0]) + 1 :]
        faults += [f"{file}:{line}: {name}" for line, name in imports(file) if name.split(".")[0] in above]
    assert not faults, told(faults)


@pytest.mark.parametrize("app", ["registry", "testing"])
def test_a_floor_imports_only_from_itself_and_below(app: str) -> None:
    faults = []
    for file in sources():
        own = module_of(file)
        if own.split(".")[0] != app:
            continue
        for line, name in imports(file):
            if name.split(".")[0] in PURE and floor(name) > floor(own):
                faults.append(f"{file}:{line}: {FLOORS[floor(own)]} imports {name}, {FLOORS[floor(name)]}")
    assert not faults, told(faults)


def test_pure_modules_know_no_tables() -> None:
    faults = []
    for file in sources():
        own = module_of(file)
        if own.split(".")[0] in PURE and floor(own) == BELOW:
            faults += [f"{file}:{line}: {name}" for line, name in imports(file) if "django.db.models.Model" in name]
    assert not faults, told(faults)


# remote asks another LMStrix and delivering tells webhooks, both through lmstudio's checked transport
SPEAK_HTTP = ("registry.lmstudio", "registry.remote", "registry.delivering", "testing.engine", "lmstrix_site.")


def test_only_lmstudio_and_the_engine_speak_http() -> None:
    faults = []
    for file in sources():
        if not module_of(file).startswith(SPEAK_HTTP):
            faults += [f"{file}:{line}" for line, name in imports(file) if name.split(".")[0] in {"httpx", "requests"}]
    assert not faults, told(faults)


def test_the_registry_knows_nothing_of_the_engine() -> None:
    words = re.compile(r"\bengine\b|xllamacpp|llama\.cpp", re.IGNORECASE)
    faults = [
        f"{file}:{number}: {line.strip()}"
        for file in sources()
        if file.relative_to(ROOT).parts[0] == "registry"
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert not faults, told(faults)


def test_no_file_is_longer_than_250_lines() -> None:
    lengths = {str(file): len(file.read_text().splitlines()) for file in sources()}
    faults = [f"{file}: {length} lines" for file, length in lengths.items() if length > MAX_LINES]
    assert not faults, told(faults)


def test_no_function_is_longer_than_40_lines() -> None:
    faults = []
    for file in sources():
        for node in ast.walk(tree(file)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                faults += [f"{file}:{node.lineno}: {node.name} has {length} lines"] if length > MAX_FUNCTION else []
    assert not faults, told(faults)


def test_every_module_says_what_it_is() -> None:
    faults = [str(file) for file in sources() if tree(file).body and not ast.get_docstring(tree(file))]
    assert not faults, told(faults)


def test_every_table_says_what_it_is() -> None:
    faults = []
    for file in sources():
        if "models" in file.parts:
            classes = [node for node in tree(file).body if isinstance(node, ast.ClassDef)]
            shown = [node for node in classes if not node.name.endswith(("QuerySet", "Manager"))]
            faults += [f"{file}: {node.name}" for node in shown if not ast.get_docstring(node)]
    assert not faults, told(faults)


def test_nothing_hides_in_django_signals() -> None:
    words = re.compile(r"django\.dispatch|django\.db\.models\.signals|\b(?:pre|post)_(?:save|delete)\b|@receiver")
    faults = [str(file) for file in sources() if words.search(file.read_text())]
    assert not faults, told(faults)


def test_no_file_is_named_after_nothing() -> None:
    names = re.compile(r"(?:utils?|helpers?|services?|managers?|common|misc)$")
    faults = [str(file) for file in sources() if names.match(file.stem)]
    assert not faults, told(faults)


def test_no_text_from_outside_is_called_safe() -> None:
    """`mark_safe` of a literal is markup of ours; `drawing` puts tags together and escapes what goes into them."""
    faults = []
    for file in sources():
        if file == ROOT / "registry/templatetags/drawing.py":
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("mark_safe", "SafeString")):
                literal = len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
                faults += [] if literal else [f"{file}:{node.lineno}: {ast.unparse(node)[:80]}"]
    assert not faults, told(faults)


def test_no_template_switches_escaping_off() -> None:
    words = re.compile(r"\|\s*safe\b|\|\s*safeseq\b|autoescape\s+off")
    templates = [file for package in (*PACKAGES, "templates") for file in (ROOT / package).rglob("*.html")]
    assert templates
    # the settings of the API's own page, as JSON of ours inside a script element, where escaping would break it
    ours = ROOT / "templates/ninja/swagger.html"
    faults = [str(file) for file in templates if file != ours and words.search(file.read_text())]
    assert not faults, told(faults)


@cache
def texts_of_tests() -> str:
    files = sorted((ROOT / "tests").rglob("*.py"))
    return "\n".join(file.read_text() for file in files if file != Path(__file__))


def test_every_command_is_named_in_a_test() -> None:
    ours = sorted(name for name, app in get_commands().items() if app in PACKAGES)
    assert len(ours) >= 8
    faults = [name for name in ours if not re.search(rf"[\"'/ ]{name}[\"' ]", texts_of_tests())]
    assert not faults, told(faults)


def test_every_task_is_named_in_a_test() -> None:
    current_app.loader.import_default_modules()
    ours = sorted(name for name in current_app.tasks if name.startswith(PACKAGES))
    assert len(ours) >= 3
    faults = [name for name in ours if not re.search(rf"\b{name.rpartition('.')[2]}\b", texts_of_tests())]
    assert not faults, told(faults)


@pytest.mark.database
@pytest.mark.django_db
def test_the_migrations_are_complete() -> None:
    output = io.StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        pytest.fail(output.getvalue())
