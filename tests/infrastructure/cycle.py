"""The whole cycle on the emulator: apply, plan again without changes, destroy.

``python -m infrastructure.cycle [zonal]``. Says what was shown on the emulator only, with timings.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .emulator.process import running_emulator
from .local_stack import LocalStack, TerraformFailed
from .policies import findings, role_policies
from .toolbox import Missing


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _timed(name: str, action: Callable[[], str | None]) -> str:
    begin = time.monotonic()
    output = action() or ""
    summary = re.search(r"(Apply complete!.*|No changes\.|No findings\..*|Destroy complete!.*)", output)
    _say(f"{name:<12} {time.monotonic() - begin:6.1f} s  {summary.group(1) if summary else ''}")
    return output


def _check_policies(stack: LocalStack) -> str:
    policies = role_policies(stack.state())
    if found := list(findings(policies)):
        raise TerraformFailed("parliament found:\n" + "\n".join(found))
    return f"No findings. in {len(policies)} policies (parliament)"


def run_cycle(folder: Path, *, nat_gateway_mode: str) -> None:
    """Run the cycle in a folder for its files.

    Raises
    ------
    TerraformFailed
        At the first step that does not end as it must.
    Missing
        Without Terraform or its provider.
    """
    with running_emulator(folder / "emulator.log") as endpoint:
        stack = LocalStack(endpoint=endpoint, folder=folder, variables={"nat_gateway_mode": nat_gateway_mode})
        _timed("init", lambda: (stack.make_state_bucket(), stack.init())[1])
        _timed("apply", stack.apply)
        _timed("plan again", stack.plan_again)
        _timed("policies", lambda: _check_policies(stack))
        _timed("destroy", stack.destroy)


def main() -> int:
    """Run the cycle and say how it went."""
    mode = sys.argv[1] if len(sys.argv) > 1 else "regional"
    with tempfile.TemporaryDirectory(prefix="tapstack-infra-") as folder:
        try:
            run_cycle(Path(folder), nat_gateway_mode=mode)
        except Missing as reason:
            _say(f"skipped: {reason}")
            return 0
        except TerraformFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
    _say(f"Shown on an emulator only (moto with the patches of tests/infrastructure/emulator); NAT: {mode}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
