"""`lmstrix login [USER]`: a fresh link that signs somebody in."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.models import Role, User
from registry.signing_in import link_for


class Command(BaseCommand):
    help = "Prints a fresh link: it signs USER in once, within 10 minutes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", nargs="?", help="whom to sign in (default: the first admin)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        user = _find(options["user"])
        link = link_for(user)
        if options["json"]:
            self.stdout.write(json.dumps({"user": user.username, "url": link, "minutes": 10}))
        else:
            self.stdout.write(link)


def _find(name: str | None) -> User:
    active = User.objects.filter(is_active=True)
    if name is None:
        user = active.filter(role=Role.ADMIN).order_by("pk").first()
        if user is None:
            raise CommandError("There is no active admin; name a user: lmstrix login USER")
        return user
    user = active.filter(username=name).first()
    if user is None:
        known = ", ".join(active.order_by("username").values_list("username", flat=True)[:20])
        raise CommandError(f"There is no active user {name!r}; there are: {known}", returncode=2)
    return user
