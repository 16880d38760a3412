"""``python -m tapstack.cli``, and the script ``tapstack``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from tapstack.cli._main import main as run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("tapstack: the command line needs more packages: pip install 'tapstack[local]'")
    run()


if __name__ == "__main__":
    main()
