"""``python -m amt_export`` is ``amt-export``."""

import sys

from amt_export.cli.main import main

sys.exit(main())
