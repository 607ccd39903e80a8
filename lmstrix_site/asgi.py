"""The entry for uvicorn."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lmstrix_site.settings")

application = get_asgi_application()

# what was loaded so far stays for good: the garbage collector need not look through it again and again
gc.freeze()
