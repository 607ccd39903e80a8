"""Downloads of models to servers, over REST."""

from __future__ import annotations

from ninja import Query, Router, Status

from registry import downloading
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Text, Word
from registry.api.jobs import Started, started
from registry.api.lists import found
from registry.api.registries import registry_named
from registry.api.servers import ScanWanted
from registry.models import Role, Server

router = Router(tags=["servers"])


class NewDownload(Body):
    """A model to download: `model` is its name in LM Studio's catalogue, or its link."""

    model: Text
    quantization: Word = ""


@operation(router.post, "/{int:id}/downloads", role=Role.OPERATOR, answers=Started, status=202)
def download_model(request: Request, id: Id, wanted: Query[ScanWanted], download: NewDownload) -> Status[Started]:
    """Downloads a model to a server that offers it, then scans it; where it does not, the job fails and says so."""
    server = found(Server.objects.all(), "server", pk=id)
    registry = registry_named(wanted.registry)
    return started(downloading.enqueue(server, download.model, download.quantization, registry=registry))
