"""What the Lambda API says about mappings; nothing here makes records move.

Recorded on AWS: localstack/localstack test_lambda_integration_kinesis.snapshot.json
(test_create_kinesis_event_source_mapping 2024-10-12, test_duplicate_event_source_mappings), read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tapstack.ports import AwsError
from tapstack_emulator.event_source_mapping.config import MappingConfig
from tapstack_emulator.event_source_mapping.model import MappingState


def describe(state: MappingState) -> dict[str, Any]:
    """Answer Create-, Get- or UpdateEventSourceMapping.

    Parameters
    ----------
    state
        The mapping; right after its creation ``State`` is ``Creating`` and
        ``LastProcessingResult`` is ``No records processed`` (the HTTP status is 202 then).
    """
    config = state.config
    account = config.event_source_arn.split(":")[4] if config.event_source_arn.count(":") >= 5 else ""
    arn = f"arn:aws:lambda:{config.region}:{account}:event-source-mapping:{config.uuid}"
    return config.to_api() | {
        "EventSourceMappingArn": arn,
        "LastProcessingResult": state.last_result,
        "State": "Deleting" if state.status == "Deleted" else state.status,
        "StateTransitionReason": "User action",
    }


def refuse_duplicate(existing: Iterable[MappingConfig], wanted: MappingConfig) -> None:
    """Refuse a second mapping of the same source to the same function.

    Raises
    ------
    AwsError
        ``ResourceConflictException``, 409.
    """
    for config in existing:
        if (config.event_source_arn, config.function_arn) == (wanted.event_source_arn, wanted.function_arn):
            message = (
                f'The event source arn (" {config.event_source_arn} ") and function '
                f'(" {config.function_arn} ") provided mapping already exists. Please update or delete the '
                f"existing mapping with UUID {config.uuid}"
            )
            raise AwsError("ResourceConflictException", message, status=409)
