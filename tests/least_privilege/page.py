"""docs/reference/least-privilege.md: every right of the functions and what uses it.

``python -m least_privilege.page`` in ``tests/`` runs the pipeline and writes the page; a test compares it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infrastructure.toolbox import ROOT

from .coverage import Part, forbidden, parts, users
from .evaluation import decide
from .exercise import exercise, packaged
from .iam_requests import Request, requests
from .rendered import Policy, Rendered, rendered

PAGE = ROOT / "docs/reference/least-privilege.md"

INTRODUCTION = """# Least privilege

What each function's role may do, and what uses it. `python -m least_privilege.page` in `tests/` writes this
page: the pipeline runs on the stack as Terraform renders it, with the packaged zips, with crashes, lost
responses and throttling, late events, records that are not events, a mapping that discards a batch, and every
route of the API. `make least-privilege` fails if a call would be denied, if a permission is not used, or if
this page differs.

*rows*: how the partition keys begin that the call may name ([table](table.md)).
*recorded*: a function, or the event source mapping with the consumer's role, made this call in the run.
*AWS*: AWS makes this call on the caller's behalf, according to the linked page; no emulator shows it. A page
without a date was not read again for this table.
*denied*: Lambda itself needs this permission, and the statement denies it to the functions' code.

## What was shown, and where

- On an emulator only: which calls the functions make (DynamoDB and S3 by ministack, Kinesis and the event
  source mapping by `tapstack_local`), recorded in front of it with the key of the worker that signed them.
  The table's stream is not emulated: the projector is invoked when the journal has grown.
- By an evaluator of policies, not by AWS: that each call is allowed by the role, by the VPC endpoint it goes
  through and by the policy of the key it uses. ministack's evaluator decides; a second one, written
  independently, agrees on each request with each role, and a table of forbidden calls is denied.
- Not shown: that AWS decides the same; that calls on keys, log delivery and network interfaces are those of
  AWS's documentation. `WriteTraces` comes with `enable_tracing` only, which is off here. Policies of buckets
  and of the table (TLS, the VPC's endpoint) are not part of this table.
- Missing: redrive does not exist yet, so its calls are not here.

Another check reads the applied policies themselves: `make infra-apply-local` fails on every finding of
parliament except two, which are listed with AWS's words in `tests/infrastructure/policies.py`.

`make infra-joined` shows the same on the applied stack: Terraform applies it to a local emulator (moto with
the patches of `tests/infrastructure/emulator`), the pipeline runs on what the state says, counts exactly, and
its calls are checked against the applied policies.
"""

_ACCOUNT = "ACCOUNT"


def page(stack: Rendered, asked: Sequence[Request]) -> str:
    """Write the page."""
    lines = [INTRODUCTION]
    rows = list(parts(stack))
    for function in sorted(stack.statements):
        lines += [f"## {function}", "", "| Statement | Action | Resource | Used by |", "|---|---|---|---|"]
        lines += sorted(
            _row(part, alone, _used(part, alone, asked, stack), stack)
            for part, alone in rows
            if part.function == function
        )
        lines.append("")
    return "\n".join(lines)


def _used(part: Part, alone: Policy, asked: Sequence[Request], stack: Rendered) -> str:
    if part.effect == "Deny":
        return "denied" if any(decide(each, [alone]) == "Deny" for each in forbidden(stack)) else "nothing"
    found = users(part, alone, asked)
    if any(not request.implied_by for request in found):
        return "recorded"
    for request in found:
        url, _, read = request.implied_by.partition(", ")
        name = url.rpartition("/")[2].removesuffix(".html")
        return f"AWS: [{name}]({url})" + (f", {read}" if read else "")
    return "nothing"


def _row(part: Part, alone: Policy, used: str, stack: Rendered) -> str:
    resource = f"`{_short(part.resource, stack)}`{_rows(alone)}"
    return f"| {part.sid} | `{part.action}` | {resource} | {used} |"


def _rows(alone: Policy) -> str:
    """Say which rows of the table a statement is about, by their partition keys."""
    keys = {key: values for named in alone.get("Condition", {}).values() for key, values in named.items()}
    rows = keys.get("dynamodb:LeadingKeys", [])
    listed = ", ".join(f"`{each}`" for each in ([rows] if isinstance(rows, str) else rows))
    enclosing = ", in TransactWriteItems only" if "dynamodb:EnclosingOperation" in keys else ""
    return f", rows {listed}{enclosing}" if listed else ""


def _short(resource: str, stack: Rendered) -> str:
    """Name a resource without what differs from account to account."""
    keys = {
        stack.stream_key: "stream key",
        stack.table_key: "table key",
        stack.settings_key: "operations key",
    }
    keys |= dict.fromkeys(stack.bucket_keys.values(), "objects key")
    if resource in keys:
        return keys[resource]
    for bucket in stack.bucket_keys:
        resource = resource.replace(bucket, bucket.removesuffix(f"-{stack.account_id}-{stack.region}"))
    return resource.replace(stack.account_id, _ACCOUNT).replace(stack.region, "REGION")


def main() -> int:
    """Run the pipeline and write the page."""
    stack = rendered()
    with tempfile.TemporaryDirectory() as folder:
        done = exercise(stack.document, packaged(Path(folder)))
    PAGE.write_text(page(stack, requests(done.calls, stack)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
