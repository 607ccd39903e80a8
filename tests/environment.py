"""Gives every test run its own data directory, before the settings are read."""

import os
import tempfile

_home = tempfile.TemporaryDirectory(prefix="lmx-")
os.environ["LMSTRIX_DATA_DIR"] = _home.name
os.environ["XDG_RUNTIME_DIR"] = _home.name
os.environ.setdefault("LMSTUDIO_BASE_URL", "http://127.0.0.1:9")
os.environ["LMSTRIX_MIRROR_FILE"] = ""
os.environ.pop("LMSTRIX_PUBLIC_URL", None)
