"""The pages of the registry."""

from django.urls import path

from registry.views import jobs, login, models, people, server_editing, servers, settings_page, tokens

urlpatterns = [
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("models/", models.models, name="models"),
    path("servers/", servers.servers, name="servers"),
    path("servers/live/", servers.servers_live, name="servers-live"),
    path("servers/add/", server_editing.add, name="server-add"),
    path("servers/try/", server_editing.try_connection, name="server-try"),
    path("servers/scan/", servers.scan_all, name="scan-all"),
    path("servers/<int:pk>/", servers.server, name="server"),
    path("servers/<int:pk>/live/", servers.server_live, name="server-live"),
    path("servers/<int:pk>/scan/", servers.scan, name="server-scan"),
    path("servers/<int:pk>/edit/", server_editing.edit, name="server-edit"),
    path("servers/<int:pk>/try/", server_editing.try_connection, name="server-try-again"),
    path("servers/<int:pk>/enable/", server_editing.enable, name="server-enable"),
    path("servers/<int:pk>/disable/", server_editing.disable, name="server-disable"),
    path("servers/<int:pk>/delete/", server_editing.delete, name="server-delete"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/live/", jobs.jobs_live, name="jobs-live"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/live/", jobs.job_live, name="job-live"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<int:pk>/retry/", jobs.retry, name="job-retry"),
    path("settings/", settings_page.settings_page, name="settings"),
    path("settings/password/", settings_page.password, name="settings-password"),
    path("settings/tokens/", tokens.issue, name="settings-token"),
    path("settings/tokens/<int:pk>/revoke/", tokens.revoke, name="settings-token-revoke"),
    path("settings/people/", people.add, name="settings-person"),
    path("settings/people/<int:pk>/role/", people.change_role, name="settings-person-role"),
    path("settings/people/<int:pk>/enable/", people.enable, name="settings-person-enable"),
    path("settings/people/<int:pk>/disable/", people.disable, name="settings-person-disable"),
    path("settings/people/<int:pk>/link/", people.login_link, name="settings-person-link"),
]
