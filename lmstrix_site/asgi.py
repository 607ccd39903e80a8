"""The entry for uvicorn."""

import gc
import os
import sys

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lmstrix_site.settings")

django_application = get_asgi_application()

from registry.gateway.app import in_front_of  # noqa: E402 - reads models, so Django has to be there first

application = in_front_of(django_application)

# what was loaded so far stays for good: the garbage collector need not look through it again and again
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 10, 10)  # a request leaves no cycles behind: looking for them less often saves a tenth
gc.collect()  # it counts from here: else it would wait until a quarter of all that was frozen is garbage

# threads that draw pages or write records hand over after 1 ms instead of 5: streams of the gateway wait for it
sys.setswitchinterval(0.001)
