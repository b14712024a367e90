"""``python -m hico_platform`` is the command ``hico-platform``."""

import sys

from hico_platform.cli.main import main

sys.exit(main())
