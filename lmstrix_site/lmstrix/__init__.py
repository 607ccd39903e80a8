"""LMStrix for Python scripts: importing it readies Django and the database once.

from lmstrix.loaders.model_loader import load_model_registry
"""

import getpass
import os

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lmstrix_site.settings")
    django.setup()

    from lmstrix_site.first_use import prepare_database
    from registry import acting
    from registry.acting import Actor

    prepare_database()
    acting.begin(Actor("python", name=getpass.getuser()))
