"""Applies the whole stack to the emulator and writes its state, for the pipeline to run on.

``python -m infrastructure.joined FILE [name=value ...]``; the arguments are Terraform variables, such as
``package_dir``. The emulator ends with this process and takes the stack with it.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .emulator.process import running_emulator
from .local_stack import LocalStack, TerraformFailed
from .toolbox import Missing


def apply(target: Path, folder: Path, variables: Mapping[str, str]) -> str:
    """Apply the stack and write what ``terraform show -json`` says.

    Parameters
    ----------
    target
        The file to write.
    folder
        Where Terraform's files go.
    variables
        Terraform variables that differ from the defaults.

    Returns
    -------
    str
        What Terraform says that it did.

    Raises
    ------
    TerraformFailed
        If the apply fails.
    Missing
        Without Terraform or its provider.
    """
    with running_emulator(folder / "emulator.log") as endpoint:
        stack = LocalStack(endpoint=endpoint, folder=folder, variables=variables)
        stack.make_state_bucket()
        stack.init()
        output = stack.apply()
        target.write_text(json.dumps(stack.state()))
    return "".join(re.findall(r"Apply complete!.*", output))


def main() -> int:
    """Apply and say how it went; 3 if Terraform is missing."""
    target, *rest = sys.argv[1:]
    variables = dict(argument.split("=", 1) for argument in rest)
    with tempfile.TemporaryDirectory(prefix="tapstack-joined-") as folder:
        try:
            sys.stdout.write(apply(Path(target).resolve(), Path(folder), variables) + "\n")
        except Missing as reason:
            sys.stderr.write(f"skipped: {reason}\n")
            return 3
        except TerraformFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
