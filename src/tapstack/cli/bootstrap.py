"""``tapstack bootstrap``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tapstack.deploy.bootstrap import Report


@click.command(
    "bootstrap",
    epilog="""\b
Examples:
  tapstack bootstrap --dry-run                      say what would be done, and do nothing
  tapstack bootstrap --region eu-west-1
  tapstack bootstrap --bucket acme-terraform --key shop/production/terraform.tfstate
  tapstack bootstrap --kms-key-id arn:aws:kms:us-east-1:123456789012:key/...

\b
Exit codes: 0 everything is so, 1 AWS does not do its part, 2 a mistake in the command, credentials,
permissions or a bucket that belongs to somebody else.""",
)
@click.option("--bucket", default="", help="Name of the bucket.  [default: PREFIX-state-SUFFIX]")
@click.option("--name-prefix", default="tapstack", show_default=True, help="First part of the bucket's name.")
@click.option("--suffix", default="", help="Last part of the bucket's name.  [default: ACCOUNT-REGION]")
@click.option(
    "--key", default="tapstack/dev/terraform.tfstate", show_default=True, help="Key of the state's object."
)
@click.option(
    "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], default="us-east-1", show_default=True,
    show_envvar=True, help="Region of the bucket.",
)  # fmt: skip
@click.option("--kms-key-id", default="", help="ARN of a key for the state.  [default: Amazon S3's own]")
@click.option("--endpoint-url", help="Where S3 and STS answer, if not at AWS.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default="backend.hcl", show_default=True,
    help="The file for Terraform.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Read only; say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def command(*, as_json: bool, **options: Any) -> int:
    """Make the bucket that holds Terraform's state, and write backend.hcl.

    The bucket is versioned, encrypted, private and TLS only; old versions go after a while. Safe to run
    again: what is right already stays as it is.
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
