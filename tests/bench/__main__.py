"""`make bench`: measures models and requests in great number on a scratch database, each figure beside its goal."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser


def main() -> int:
    """Prints the table; gives 1 when a goal is missed."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--records", type=int, default=200_000, help="recorded requests (10,000,000 in the long form)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lmstrix-bench-") as folder:
        os.environ |= {"LMSTRIX_DATA_DIR": folder, "DATABASE_URL": "", "LMSTRIX_MIRROR_FILE": ""}
        os.environ["DJANGO_SETTINGS_MODULE"] = "lmstrix_site.settings"
        return measured(asked.models, asked.repeats, asked.records)


def measured(count: int, repeats: int, records: int) -> int:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    import lmstrix_site.asgi  # noqa: F401  (as in the web process)
    from tests.bench import figures, usage_figures
    from tests.builders import make_user

    call_command("migrate", verbosity=0)
    client = Client(headers={"host": "localhost"})
    client.force_login(make_user())
    shown = [
        told(figures.seeded(count)),
        *map(told, figures.pages(client, last=False, repeats=repeats)),
        *map(told, figures.pages(client, last=True, repeats=repeats)),
        told(figures.api_page(client, repeats=max(repeats * 4, 20))),
        *map(told, figures.difference()),
        *map(told, figures.there_and_back()),
        told(usage_figures.seeded(records)),
        *map(told, usage_figures.pages(client, repeats=repeats)),
        told(usage_figures.accuracy()),
        told(usage_figures.slowdown(client, rounds=repeats)),
    ]
    return 0 if all(shown) else 1


def told(figure: object) -> bool:
    """Prints one line as soon as it is known; whether the goal was met."""
    from tests.bench.figures import Figure

    assert isinstance(figure, Figure)
    mark = "ok" if figure.met else "MISSED"
    value = f"{figure.value:>9.2f} {figure.unit:<8} goal {figure.goal:>6g}  x{figure.value / figure.goal:<5.2f}"
    print(f"{figure.name:<48} {value} {mark:<7} {figure.note}", flush=True)  # noqa: T201
    return figure.met


if __name__ == "__main__":
    sys.exit(main())
