"""Start the emulator on this machine alone: ``python -m infrastructure.emulator PORT``."""

from __future__ import annotations

import os
import sys

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = (
    "true"  # AWS's own policies exist, as in an account; read at import
)

from moto.server import main

from . import functions, groups, network, scaling, storage, streams

PATCHED = (functions, groups, network, scaling, storage, streams)

if __name__ == "__main__":
    main(["--host", "127.0.0.1", "--port", sys.argv[1]])
