"""Snapshots, a second registry, history and a finished change for the seeded site; gives their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.models import LanguageModel

NOTE = "Keep below 30k for the archive job; answers drift after that. " * 8


def changes(models: dict[str, LanguageModel]) -> dict[str, str]:
    """Takes a snapshot, changes, adds and removes models after it, and tells of both."""
    from registry import auditing, snapshots
    from registry.models import Group, GroupMember, LanguageModel, Profile, Registry
    from registry.models.snapshot import Origin
    from tests.builders import make_job, make_model

    registry = models["tested"].registry
    gone = make_model(key="lab/gone", server=models["tested"].server, quantization="Q4_K_M", declared_context=131_072)
    group = Group.objects.create(registry=registry, name="daily", description="what we use")
    for position, name in enumerate(("tested", "untested")):
        GroupMember.objects.create(group=group, model=models[name], position=position)
    first = snapshots.create(registry, "before-the-upgrade", note="by hand, before the upgrade of the shelf")
    gone.delete()
    GroupMember.objects.create(group=group, model=models["stale"], position=2)
    LanguageModel.objects.filter(pk=models["tested"].pk).update(notes=NOTE, favourite=True)
    LanguageModel.objects.filter(pk=models["untested"].pk).update(
        notes="short", description="x" * 400, declared_context=65_536
    )
    Profile.objects.create(registry=registry, name="long letters", preferred_models=["nowhere"])
    auditing.note("edit", models["tested"], changes={"notes": ("", NOTE), "favourite": (False, True)})
    nightly = snapshots.create(registry, "2026-11-24 02:00", origin=Origin.DAILY)
    undo = snapshots.create(registry, "2026-11-24 09:00", origin=Origin.SAFETY, note="before: restore nightly")
    other = Registry.objects.create(name="laptop")
    Registry.objects.create(name="/srv/models/prod.json", path="/srv/models/prod.json")
    make_model(key="lab/elsewhere", registry=other, server=models["tested"].server)
    result: dict[str, Any] = {
        "summary": "2 models changed, 1 model removed", "undo": undo.pk, "warnings": ["Server shelf has a token."],
        "undecided": ["model lab/tested: notes (neither side is newer)"],
        "changes": [{"kind": "model", "id": "lab/tested", "action": "changed"}],
    }  # fmt: skip
    job = make_job(kind="restore", title="default from nightly", status="succeeded", message="done", result=result)
    sides = f"before=registry:{registry.pk}&after=snapshot:{first.pk}"
    return {
        "snapshot": first.get_absolute_url(),
        "snapshot restore": f"{first.get_absolute_url()}restore/",
        "snapshot merge": f"{first.get_absolute_url()}merge/?strategy=prefer_newer",
        "snapshot delete": f"{first.get_absolute_url()}delete/",
        "diff": f"/compare/?{sides}",
        "diff same": f"/compare/?{sides}&same=1&show=changed",
        "diff equal": f"/compare/?before=registry:{registry.pk}&after=snapshot:{nightly.pk}",
        "registry": f"/registries/{other.pk}/",
        "registry delete": f"/registries/{other.pk}/delete/",
        "job change": job.get_absolute_url(),
    }
