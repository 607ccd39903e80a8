"""The server that is there without anybody adding it: the LM Studio that answers, or the embedded engine."""

from django.conf import settings

from lmstrix_site import environment
from lmstrix_site.supervisor.checks import Refusal
from registry import sealing
from registry.connecting import add_server
from registry.lmstudio.address import normalize_base_url
from registry.models import Server

ENGINE_NAME, LM_STUDIO_NAME = "embedded engine", "LM Studio"


def ensure_engine(base_url: str, budget_mb: int) -> Server:
    """The row of the engine, with the address and the budget (MiB) it has this time."""
    told = {
        "base_url": base_url,
        "memory_limit_bytes": budget_mb * 2**20,
        "enabled": True,
        "token_sealed": sealing.seal(environment.text("LMSTRIX_ENGINE_TOKEN")),
    }
    return Server.objects.update_or_create(name=ENGINE_NAME, defaults=told)[0]


def retire_engine() -> None:
    """Nobody asks the engine while it is not started; its models and results stay."""
    Server.objects.filter(name=ENGINE_NAME).update(enabled=False)


def ensure_lm_studio() -> Server:
    """The row of the LM Studio in the settings; what a person has changed in it stays. Raises Refusal."""
    try:
        base_url = normalize_base_url(settings.LMSTUDIO_BASE_URL)
    except ValueError as error:
        raise Refusal(f"LMSTUDIO_BASE_URL: {error}") from error
    server = Server.objects.named(base_url)
    if server is None:
        return add_server(name=_free_name(), base_url=base_url, token=settings.LM_API_TOKEN)
    if settings.LM_API_TOKEN and not server.has_token:
        server.token = settings.LM_API_TOKEN
        server.save(update_fields=["token_sealed"])
    return server


def _free_name() -> str:
    taken = set(Server.objects.values_list("name", flat=True))
    number = 1
    while (name := LM_STUDIO_NAME if number == 1 else f"{LM_STUDIO_NAME} {number}") in taken:
        number += 1
    return name
