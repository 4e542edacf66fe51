"""`python -m sphere_repro`."""

import sys

from sphere_repro.cli import main

sys.exit(main())
