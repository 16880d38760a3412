"""The whole cycle on the emulator: apply, plan again without changes, change, destroy.

``python -m infrastructure.cycle [variable=value ...] [then variable=value ...]``, as in
``ip_target_port=8443 then ip_target_port=9443``: what follows a ``then`` is applied to the stack that is
there. A warning of the provider is a failure too; those of our own checks are not.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from .emulator.process import running_emulator
from .local_stack import LocalStack, TerraformFailed
from .policies import findings, role_policies
from .toolbox import Missing

OWN_CHECK = "Warning: Check block assertion failed"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _timed(name: str, action: Callable[[], str | None]) -> str:
    begin = time.monotonic()
    output = action() or ""
    summary = re.search(r"(Apply complete!.*|No changes\.|No findings\..*|Destroy complete!.*)", output)
    _say(f"{name:<12} {time.monotonic() - begin:6.1f} s  {summary.group(1) if summary else ''}")
    warnings = set(re.findall(r"^Warning: .*", output, re.MULTILINE)) - {OWN_CHECK}
    if warnings:
        raise TerraformFailed(f"{name} warns: {warnings}")
    return output


def _check_policies(stack: LocalStack) -> str:
    policies = role_policies(stack.state())
    if found := list(findings(policies)):
        raise TerraformFailed("parliament found:\n" + "\n".join(found))
    return f"No findings. in {len(policies)} policies (parliament)"


def run_cycle(folder: Path, steps: Sequence[Mapping[str, str]]) -> None:
    """Run the cycle.

    Parameters
    ----------
    folder
        Where its files go.
    steps
        Terraform variables that differ from the defaults: of the first apply, and of each that follows.

    Raises
    ------
    TerraformFailed
        At the first step that does not end as it must.
    Missing
        Without Terraform or its provider.
    """
    with running_emulator(folder / "emulator.log") as endpoint:
        stack = LocalStack(endpoint=endpoint, folder=folder)
        stack.make_state_bucket()
        _timed("init", stack.init)
        for variables in steps:
            stack = replace(stack, variables={**stack.variables, **variables})
            _timed("apply", stack.apply)
            _timed("plan again", stack.plan_again)
        _timed("policies", partial(_check_policies, stack))
        _timed("destroy", stack.destroy)


def main() -> int:
    """Run the cycle and say how it went."""
    steps = [
        dict(argument.split("=", 1) for argument in arguments)
        for then, arguments in groupby(sys.argv[1:], key="then".__eq__)
        if not then
    ] or [{}]
    with tempfile.TemporaryDirectory(prefix="tapstack-infra-") as folder:
        try:
            run_cycle(Path(folder), steps)
        except Missing as reason:
            _say(f"skipped: {reason}")
            return 0
        except TerraformFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
    with_what = " then ".join(str(variables or "the defaults") for variables in steps)
    _say(f"Shown on an emulator only: moto with the patches of tests/infrastructure/emulator; {with_what}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
