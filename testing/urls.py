"""The pages of testing."""

from django.urls import path

from testing.views import actions, context_test, context_tests

urlpatterns = [
    path("context-tests/", context_tests.context_tests, name="context-tests"),
    path("context-tests/live/", context_tests.context_tests_live, name="context-tests-live"),
    path("context-tests/start/", actions.start, name="test-models"),
    path("context-tests/start/untested/", actions.start_untested, name="test-untested"),
    path("context-tests/<int:pk>/", context_test.context_test, name="context-test"),
    path("context-tests/<int:pk>/live/", context_test.context_test_live, name="context-test-live"),
    path("context-tests/<int:pk>/cancel/", actions.cancel, name="context-test-cancel"),
]
