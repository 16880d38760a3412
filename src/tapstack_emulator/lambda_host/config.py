"""A Lambda function as data, and the environment its processes get."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT_ID = "000000000000"  # the account every emulator assumes
REGION = "us-east-1"
INIT_TIMEOUT_S = 10.0  # Lambda's own limit of the Init phase; lambda-runtime-environment, read 2026-11-23
_THIS_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfig:
    """A function to host.

    Parameters
    ----------
    name
        Its name.
    handler
        ``module.function``, as in Lambda's configuration.
    environment
        Its environment variables, as in Lambda's configuration; they may override Lambda's own.
    timeout_s
        After which an invocation is killed, in seconds.
    memory_mb
        What the function is told; no limit is enforced.
    workers
        How many invocations may run at the same time, ``>= 1``.
    task_root
        The unpacked deployment package; None runs what `python` has installed.
    python
        The interpreter; it must find `awslambdaric`, here or in `runtime_path`.
    runtime_path
        Folders searched after the deployment package, as Lambda's managed runtime adds its own.
    runtime
        The runtime's identifier, which decides how awslambdaric polls.
    init_timeout_s
        How long a worker may take to ask for its first invocation.
    isolated
        Whether only the deployment package and `runtime_path` can be imported, and nothing that `python`
        has installed.
    region, account_id
        Of the function.
    """

    name: str
    handler: str
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 3.0
    memory_mb: int = 128
    workers: int = 1
    task_root: Path | None = None
    python: str = sys.executable
    runtime_path: tuple[Path, ...] = ()
    runtime: str = _THIS_RUNTIME
    init_timeout_s: float = INIT_TIMEOUT_S
    isolated: bool = False
    region: str = REGION
    account_id: str = ACCOUNT_ID

    @property
    def arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"


def environment_of(config: FunctionConfig, *, runtime_api: str, access_key_id: str) -> dict[str, str]:
    """List the whole environment of a worker process.

    The names are the defined runtime environment variables of
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (read 2026-11-23).

    Parameters
    ----------
    config
        The function.
    runtime_api
        ``host:port`` of its Runtime API.
    access_key_id
        Of the credentials of this worker alone.

    Returns
    -------
    dict[str, str]
        Lambda's variables, then the function's own; nothing of this process is inherited.
    """
    search = [config.task_root, *config.runtime_path] if config.task_root else list(config.runtime_path)
    variables = {
        "_HANDLER": config.handler,
        "AWS_REGION": config.region,
        "AWS_DEFAULT_REGION": config.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[$LATEST]{access_key_id.lower()}",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "LANG": "en_US.UTF-8",
        "LAMBDA_TASK_ROOT": str(config.task_root or os.path.curdir),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }
    if search:
        variables["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in search)
    return variables | dict(config.environment)
