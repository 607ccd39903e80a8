"""`lmstrix token create|list|revoke`: keys for programs that use the REST API."""

import json
from argparse import SUPPRESS
from typing import IO, Any, cast

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from registry import admitting
from registry.management.base import OwnCommand
from registry.models import ApiToken, Role


class Command(OwnCommand):
    help = "Creates, lists and revokes the tokens of programs."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|list|revoke")
        create = actions.add_parser("create", help="make a token; its secret is printed once")
        create.add_argument("name", help="what it is for")
        create.add_argument("--role", choices=Role.values, default=Role.VIEWER, help="what it may do (default: viewer)")
        listing = actions.add_parser("list", help="show all tokens, without their secrets")
        revoke = actions.add_parser("revoke", help="make a token useless at once")
        revoke.add_argument("token", help="its id, its name or its beginning as the list shows it")
        for action in (create, listing, revoke):
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["json"]
        if options["action"] == "create":
            self._create(options["name"], options["role"], as_json)
        elif options["action"] == "list":
            self._list(as_json)
        else:
            self._revoke(options["token"], as_json)

    def _create(self, name: str, role: str, as_json: bool) -> None:
        longest = ApiToken._meta.get_field("name").max_length or 0
        if not name.strip() or len(name) > longest or not name.isprintable():
            raise CommandError(f"A name has 1 to {longest} printable characters.", returncode=2)
        token, secret = admitting.issue_token(name.strip(), role)
        if as_json:
            self.stdout.write(json.dumps({**_facts(token), "secret": secret}))
        else:
            self.stdout.write(secret)
            self.stderr.write(f"Token {token.pk} ({token.role}) for {token.name}: shown once, keep it now.")

    def _list(self, as_json: bool) -> None:
        facts = [_facts(token) for token in ApiToken.objects.order_by("pk")]
        if as_json:
            self.stdout.write(json.dumps(facts))
            return
        if not facts:
            self.stdout.write("There are no tokens; make one: lmstrix token create NAME")
            return
        table = Table(*("id", "name", "role", "starts with", "created", "last used", "state"), box=None, pad_edge=False)
        for row in facts:
            state = "revoked" if row["revoked"] else "usable"
            when = (str(row["created"])[:16], str(row["last_used"] or "never")[:16])
            table.add_row(str(row["id"]), str(row["name"]), str(row["role"]), str(row["start"]), *when, state)
        Console(file=cast(IO[str], self.stdout), width=None if self.stdout.isatty() else 200).print(table)

    def _revoke(self, which: str, as_json: bool) -> None:
        found = _usable(which)
        if len(found) != 1:
            many = ", ".join(f"{token.pk} ({token.name})" for token in found)
            reason = f"{which!r} could be any of: {many}; give the id." if found else f"No usable token is {which!r}."
            raise CommandError(reason, returncode=2)
        admitting.revoke_token(found[0])
        done = f"Token {found[0].pk} ({found[0].name}) is revoked."
        self.stdout.write(json.dumps(_facts(found[0])) if as_json else done)


def _usable(which: str) -> list[ApiToken]:
    """The usable tokens with this id, or else this name, or else this beginning."""
    usable = ApiToken.objects.usable().order_by("pk")
    by_id = usable.filter(pk=int(which)) if which.isdecimal() and len(which) < 19 else usable.none()
    return list(by_id) or list(usable.filter(name=which)) or list(usable.filter(start=which))


def _facts(token: ApiToken) -> dict[str, object]:
    return {
        "id": token.pk,
        "name": token.name,
        "role": str(token.role),
        "start": token.start,
        "created": token.created.isoformat(),
        "last_used": token.last_used.isoformat() if token.last_used else None,
        "revoked": token.revoked.isoformat() if token.revoked else None,
    }
