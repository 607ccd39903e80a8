"""What the tables know by themselves: roles, tokens, login links, names of models."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.models import ApiToken, Job, LanguageModel, LoginLink, Pulse, Registry, Role, Server, User
from registry.models.job import JobStatus
from tests.builders import make_job, make_model, make_server, make_user

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("role", "may"),
    [("viewer", ["viewer"]), ("operator", ["viewer", "operator"]), ("admin", ["viewer", "operator", "admin"])],
)
def test_a_role_covers_itself_and_the_lesser_ones(role: str, may: list[str]) -> None:
    user = make_user(role=role)
    assert [needed for needed in Role.values if user.may(needed)] == may


def test_somebody_inactive_may_nothing() -> None:
    assert not make_user(role=Role.ADMIN, is_active=False).may(Role.VIEWER)


def test_a_role_nobody_knows_is_an_error_not_a_permission() -> None:
    with pytest.raises(ValueError, match="owner"):
        make_user().may("owner")


def test_staff_follows_the_role_and_never_the_other_way_round() -> None:
    user = make_user(role=Role.VIEWER, is_staff=True, is_superuser=True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    user.role = Role.ADMIN
    user.save(update_fields=["role"])
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (True, True)
    user.role = Role.OPERATOR
    user.save()
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_the_secret_of_a_token_is_known_only_once() -> None:
    token, secret = ApiToken.issue("ci", Role.OPERATOR)
    row = ApiToken.objects.values().get()
    assert secret not in str(row)
    assert (secret[:4], len(secret), token.start) == ("lmx_", 47, secret[:10])
    assert ApiToken.objects.holder(secret) == token


@pytest.mark.parametrize("secret", ["", "lmx_", "lmx_wrong", "\ud800", "x" * 100_000, "' OR ''='"])
def test_another_secret_opens_nothing(secret: str) -> None:
    ApiToken.issue("ci", Role.ADMIN)
    assert ApiToken.objects.holder(secret) is None


def test_a_revoked_token_opens_nothing() -> None:
    token, secret = ApiToken.issue("ci", Role.ADMIN)
    token.revoke()
    assert ApiToken.objects.holder(secret) is None


def test_the_last_use_of_a_token_is_noted_to_the_minute() -> None:
    token, secret = ApiToken.issue("ci", Role.VIEWER)
    first = ApiToken.objects.holder(secret)
    second = ApiToken.objects.holder(secret)
    assert first is not None
    assert second is not None
    assert first.last_used == second.last_used
    ApiToken.objects.filter(pk=token.pk).update(last_used=timezone.now() - timedelta(minutes=2))
    third = ApiToken.objects.holder(secret)
    assert third is not None
    assert third.last_used is not None
    assert third.last_used > (second.last_used or timezone.now())


def test_a_login_link_works_once() -> None:
    user = make_user()
    key = LoginLink.issue(user)
    found = LoginLink.objects.redeem(key)
    assert found is not None
    assert (found.user, LoginLink.objects.redeem(key)) == (user, None)
    assert key not in str(LoginLink.objects.values().get())


def test_a_login_link_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    key = LoginLink.issue(make_user())
    LoginLink.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert LoginLink.objects.redeem(key) is None


def test_a_login_link_of_somebody_inactive_is_useless() -> None:
    user = make_user()
    key = LoginLink.issue(user)
    User.objects.update(is_active=False)
    assert LoginLink.objects.redeem(key) is None


def test_old_login_links_are_cleared_away() -> None:
    user = make_user()
    LoginLink.issue(user)
    LoginLink.objects.update(expires=timezone.now() - timedelta(days=2))
    LoginLink.issue(user)
    assert LoginLink.objects.count() == 1


def test_a_model_is_named_by_the_shortest_text_that_means_only_it() -> None:
    shelf, rack = make_server(name="shelf"), make_server(name="rack")
    alone = make_model(server=shelf, key="org/alone")
    there = make_model(server=rack, key="qwen")
    first, second = (make_model(server=shelf, key="qwen", variant=name) for name in ("q4", "q8"))
    found = {model.pk: model.public_id for model in LanguageModel.objects.for_list()}
    assert [found[model.pk] for model in (alone, there, first, second)] == [
        "org/alone", "rack/qwen", "shelf/qwen@q4", "shelf/qwen@q8",
    ]  # fmt: skip
    for model in (alone, there, first, second):
        assert LanguageModel.objects.named(found[model.pk]).get() == model
        assert LanguageModel.objects.get(pk=model.pk).public_id == found[model.pk]


def test_a_key_wins_over_a_server_with_a_key_of_the_same_text() -> None:
    exact = make_model(key="shelf/qwen")
    make_model(server=make_server(name="shelf"), key="qwen")
    assert LanguageModel.objects.named("shelf/qwen").get() == exact


def test_a_name_that_means_several_gives_them_all() -> None:
    for name in ("shelf", "rack"):
        make_model(server=make_server(name=name), key="qwen")
    assert LanguageModel.objects.named("qwen").count() == 2
    assert not LanguageModel.objects.named("nothing").exists()


def test_another_registry_does_not_make_a_name_longer() -> None:
    server = make_server()
    model = make_model(server=server, key="qwen")
    make_model(server=server, key="qwen", registry=Registry.objects.create(name="other"))
    assert model.public_id == "qwen"


def test_one_identity_is_one_model() -> None:
    model = make_model(key="qwen")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_model(server=model.server, key="qwen")
    LanguageModel.objects.update(server=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        LanguageModel.objects.create(registry=model.registry, key="qwen", name="qwen")


def test_what_can_be_tested_is_there_enabled_and_able_to_answer() -> None:
    good = make_model()
    make_model(missing=True)
    make_model(type="embedding")
    make_model(server=make_server(enabled=False))
    LanguageModel.objects.filter(pk=make_model().pk).update(server=None)
    assert LanguageModel.objects.testable().get() == good


def test_a_server_is_found_by_its_name_or_address() -> None:
    server = make_server(name="shelf", base_url="http://shelf:1234")
    assert Server.objects.named("shelf") == Server.objects.named("http://shelf:1234/") == server
    assert Server.objects.named("shel") is None


def test_one_experiment_at_a_time_has_a_server() -> None:
    server, first, second = make_server(), make_job(), make_job()
    assert (server.take_for(first), server.take_for(second), server.take_for(first)) == (True, False, True)
    server.release_from(first)
    assert server.take_for(second)


def test_a_job_that_is_deleted_frees_its_server() -> None:
    server, job = make_server(), make_job()
    server.take_for(job)
    job.delete()
    assert server.take_for(make_job())


def test_a_job_without_a_sign_of_life_is_not_called_lost() -> None:
    make_job(lease="x", heartbeat_at=None)
    make_job(lease="", heartbeat_at=timezone.now() - timedelta(hours=1))
    assert not Job.objects.lost().exists()


def test_open_jobs_are_those_that_have_not_ended() -> None:
    for status in JobStatus.values:
        make_job(status=status)
    assert sorted(Job.objects.open().values_list("status", flat=True)) == ["queued", "running"]


def test_a_pulse_is_kept_once_per_name() -> None:
    Pulse.objects.beat("worker")
    first = Pulse.objects.get().seen
    Pulse.objects.beat("worker")
    assert Pulse.objects.get().seen >= first


def test_a_label_is_unique_on_a_model_within_its_family() -> None:
    model = make_model()
    model.tags.create(name="fast")
    model.tags.create(name="fast", family="performance", reason="90 tokens/s")
    with pytest.raises(IntegrityError), transaction.atomic():
        model.tags.create(name="fast")
