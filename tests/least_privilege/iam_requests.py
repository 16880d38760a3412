"""Requests that IAM decides about: the recorded calls, and what AWS does on behalf of their callers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tapstack_emulator.call_recorder import MAPPING, RecordedCall

from .rendered import Rendered

READ = ", read 2026-11-23"
DYNAMODB_KEY = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html"
KINESIS_KEY = "https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html" + READ
S3_KEY = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"
MAPPING_READS = "https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html" + READ
FAILURES = "https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html" + READ
_MANAGED = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/"
TABLE_STREAM = _MANAGED + "AWSLambdaDynamoDBExecutionRole.html"
NETWORK = _MANAGED + "AWSLambdaVPCAccessExecutionRole.html" + READ
LOGS = NETWORK
SETTINGS = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html"
"""Sources of what AWS does by itself; those without a date are named from experience."""

NETWORK_ACTIONS = {
    "ec2:AssignPrivateIpAddresses": "network-interface/eni-0",
    "ec2:CreateNetworkInterface": "subnet/subnet-0",
    "ec2:DeleteNetworkInterface": "*/*",
    "ec2:DescribeNetworkInterfaces": "",
    "ec2:DescribeSubnets": "",
    "ec2:UnassignPrivateIpAddresses": "network-interface/eni-0",
}
"""What Lambda does to attach a function, and on which resource of the account; "" where there is none."""

_WRITING = ("kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
TABLE_KEY_ACTIONS = {
    "dynamodb:BatchGetItem": ("kms:Decrypt", "kms:DescribeKey"),
    "dynamodb:GetItem": ("kms:Decrypt", "kms:DescribeKey"),
    "dynamodb:Query": ("kms:Decrypt", "kms:DescribeKey"),
    "dynamodb:PutItem": _WRITING,
    "dynamodb:PartiQLInsert": _WRITING,
    "dynamodb:PartiQLUpdate": _WRITING,
}

TABLE_STREAM_ACTIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)
"""What a mapping does that polls a table's stream."""

Context = Mapping[str, str | tuple[str, ...]]

Via = Literal["code", "lambda"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as IAM sees it.

    Attributes
    ----------
    function
        Whose role makes it; the name in the stack.
    account_id
        Of the role and of every resource.
    action, resource
        As in policies; the ARN, or ``*`` where the action knows no resources.
    via
        Whether the function's code makes it, or the Lambda service with the function's role.
    implied_by
        The source for what AWS does by itself; empty for a recorded call.
    context
        Condition keys beyond those that every request has; those of many values have a tuple.
    """

    function: str
    account_id: str
    action: str
    resource: str
    via: Via
    implied_by: str = ""
    context: Context = field(default_factory=dict, hash=False)


def requests(calls: Iterable[RecordedCall], stack: Rendered) -> list[Request]:
    """List every different request: recorded, then implied.

    Parameters
    ----------
    calls
        Recorded while the pipeline ran on the stack.
    stack
        The stack.

    Raises
    ------
    KeyError
        If somebody called who is neither a function of the stack nor the mapping.
    """
    names = {**stack.function_names, MAPPING: "consumer"}
    recorded = [_recorded(stack, names[call.caller], call) for call in calls]
    implied = [request for call in recorded for request in _implied(call, stack)]
    for function in stack.function_names.values():
        implied += _runtime(function, stack)
    for action in TABLE_STREAM_ACTIONS:
        resource = "*" if action == "dynamodb:ListStreams" else stack.table_stream
        implied.append(_by(stack, "projector", action, resource, code=False, why=TABLE_STREAM))
    return list(dict.fromkeys([*recorded, *implied]))


def _recorded(stack: Rendered, function: str, call: RecordedCall) -> Request:
    request = _by(stack, function, call.action, call.resource, code=call.caller != MAPPING)
    return replace(
        request, context={**request.context, **rows_context(call.leading_keys, call.enclosing_operation)}
    )


def rows_context(leading_keys: tuple[str, ...], enclosing_operation: str) -> Context:
    """Give the condition keys that DynamoDB adds to a call.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/list_amazondynamodb.html (from knowledge, 2026-11-29)
    """
    context: Context = {
        "dynamodb:LeadingKeys": leading_keys,
        "dynamodb:EnclosingOperation": enclosing_operation,
    }
    return {key: value for key, value in context.items() if value}


def code_context(stack: Rendered, function: str) -> dict[str, str]:
    """Give the key that Lambda adds to every call of a function's code.

    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html, read 2026-11-23
    """
    (name,) = (name for name, short in stack.function_names.items() if short == function)
    arn = f"arn:aws:lambda:{stack.region}:{stack.account_id}:function:{name}"
    return {"lambda:SourceFunctionArn": arn}


def _by(
    stack: Rendered,
    function: str,
    action: str,
    resource: str,
    *,
    code: bool,
    why: str = "",
    service: str = "",
) -> Request:
    context = code_context(stack, function) if code else {}
    if service:
        context["kms:ViaService"] = f"{service}.{stack.region}.amazonaws.com"
    via: Via = "code" if code else "lambda"
    return Request(
        function=function,
        account_id=stack.account_id,
        action=action,
        resource=resource,
        via=via,
        implied_by=why,
        context=context,
    )


def _implied(call: Request, stack: Rendered) -> Iterator[Request]:
    """Yield what a call makes AWS do with the caller's own rights."""
    who, code = call.function, call.via == "code"

    def key(arn: str, actions: Iterable[str], service: str, why: str) -> Iterator[Request]:
        for action in actions:
            yield _by(stack, who, action, arn, code=code, why=why, service=service)

    match call.action:
        case "kinesis:PutRecords":
            yield from key(stack.stream_key, ["kms:GenerateDataKey"], "kinesis", KINESIS_KEY)
        case "kinesis:GetRecords":
            yield from key(stack.stream_key, ["kms:Decrypt"], "kinesis", KINESIS_KEY)
            for action in ("kinesis:DescribeStream", "kinesis:DescribeStreamSummary"):
                yield _by(stack, who, action, call.resource, code=code, why=MAPPING_READS)
        case action if action in TABLE_KEY_ACTIONS:
            yield from key(stack.table_key, TABLE_KEY_ACTIONS[action], "dynamodb", DYNAMODB_KEY)
        case "s3:GetObject":
            bucket = call.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
            yield from key(stack.bucket_keys[bucket], ["kms:Decrypt"], "s3", S3_KEY)
        case "s3:PutObject":
            bucket = call.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
            yield from key(stack.bucket_keys[bucket], ["kms:GenerateDataKey"], "s3", S3_KEY)
            if not code:
                yield _by(stack, who, "s3:ListBucket", f"arn:aws:s3:::{bucket}", code=False, why=FAILURES)


def _runtime(function: str, stack: Rendered) -> Iterator[Request]:
    """Yield what Lambda does for every function that has settings, logs and lies in a VPC."""
    (name,) = (name for name, short in stack.function_names.items() if short == function)
    prefix = f"{stack.region}:{stack.account_id}"
    stream = f"arn:aws:logs:{prefix}:log-group:/aws/lambda/{name}:log-stream:2026/11/23/[$LATEST]0"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        yield _by(stack, function, action, stream, code=False, why=LOGS)
    yield _by(stack, function, "kms:Decrypt", stack.settings_key, code=False, why=SETTINGS, service="lambda")
    for action, resource in NETWORK_ACTIONS.items():
        arn = f"arn:aws:ec2:{prefix}:{resource}" if resource else "*"
        yield _by(stack, function, action, arn, code=False, why=NETWORK)
