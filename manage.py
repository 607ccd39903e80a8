#!/usr/bin/env python
"""Django's command line; `lmstrix` is the same with the guide's names."""

import sys

from lmstrix_site.console import manage

if __name__ == "__main__":
    sys.exit(manage(sys.argv))
