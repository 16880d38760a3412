"""``tapstack bootstrap``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapstack.cli._files import WrittenFile

if TYPE_CHECKING:
    from tapstack.deploy.bootstrap import Report


@click.command(
    "bootstrap",
    short_help="Create the S3 bucket for Terraform's state.",
    epilog="""\b
Examples:
  show what would be changed:
    tapstack bootstrap --dry-run
  in another region:
    tapstack bootstrap --region eu-west-1
  with names and a key of your own:
    tapstack bootstrap --bucket acme-terraform --key shop/terraform.tfstate
    tapstack bootstrap --kms-key-id arn:aws:kms:us-east-1:123456789012:key/...

Exit codes: 0 the bucket is as described; 1 AWS failed or did not answer; 2 a mistake in the command, missing
credentials or permissions, or a bucket that belongs to another account.""",
)
@click.option("--bucket", default="", help="Name of the bucket.  [default: PREFIX-state-SUFFIX]")
@click.option(
    "--name-prefix", default="tapstack", show_default=True, help="First part of the bucket's name, PREFIX."
)
@click.option(
    "--suffix",
    default="",
    help="Last part of the bucket's name, SUFFIX.  [default: the account and the region]",
)
@click.option(
    "--key", default="tapstack/dev/terraform.tfstate", show_default=True, help="Key of the state object."
)
@click.option(
    "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], default="us-east-1", show_default=True,
    show_envvar=True, help="Region of the bucket.",
)  # fmt: skip
@click.option(
    "--kms-key-id",
    default="",
    help="ARN of a KMS key that encrypts the state.  [default: Amazon S3's own key]",
)
@click.option("--endpoint-url", help="Address of S3 and STS, if not AWS's own.")
@click.option(
    "--output", type=WrittenFile(), default="backend.hcl", show_default=True,
    help="Backend file to write, for terraform init.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be changed.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def command(*, as_json: bool, **options: Any) -> int:
    """Create the S3 bucket for Terraform's state, and write backend.hcl.

    The bucket is versioned, encrypted and private, accepts TLS only, and deletes old versions after a while.
    It is safe to run again: settings that are right already are left alone.
    """
    from tapstack.deploy import bootstrap as operation  # boto3 takes a third of a second

    report = operation.bootstrap(operation.Options(**options))
    click.echo(_bootstrap_json(report) if as_json else _bootstrap_text(report, options["output"]))
    return 0


def _bootstrap_json(report: Report) -> str:
    import json

    return json.dumps(
        {
            "account": report.account,
            **report.backend.values(),
            "changed": any(step.status == "changed" for step in report.steps),
            "steps": [{"name": step.name, "status": step.status} for step in report.steps],
        }
    )


def _bootstrap_text(report: Report, output: Path) -> str:
    words = {"unchanged": "already so", "changed": "done", "would change": "would be done"}
    lines = [f"{words[step.status]:<13}  {step.name}" for step in report.steps]
    if all(step.status != "would change" for step in report.steps):
        lines += ["", f"Next: terraform -chdir=lib init -backend-config={output.resolve()}"]
    return "\n".join(lines)
