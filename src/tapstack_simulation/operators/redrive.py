"""The redrive: discarded batches and dead letters are sent again."""

from __future__ import annotations

import msgspec

from tapstack.dead_letters import LATE, QUARANTINE, DeadLetter, read_all
from tapstack_simulation.kernel import Actor
from tapstack_simulation.observed_aws import ObservedAws
from tapstack_simulation.operators.mappings import Mappings

REDRIVE_MAX_S = 15 * 86_400  # see clients.RESEND_MAX_US
_decode = msgspec.json.Decoder().decode


class Redrive:
    """The redrive of failed batches, quarantined records and late events.

    Parameters
    ----------
    aws
        The services.
    mappings
        Which may be running meanwhile.
    """

    def __init__(self, aws: ObservedAws, mappings: Mappings) -> None:
        self._aws, self._mappings = aws, mappings

    def redrive(self, actor: Actor) -> None:
        """Send discarded batches and dead letters again, perhaps twice, with the mapping running (O2, O3)."""
        for _ in range(3):
            payloads = self._dead_letters()
            for key, data in payloads:
                times = actor.random.choice((1, 2))
                for _ in range(times):
                    self._aws.put_directly(key, data)
                self._aws.faults.count("O2" if times == 2 else "O3")
                if any(mapping.state.status == "Enabled" for mapping in self._mappings.all):
                    self._aws.faults.count("O3")
            if payloads:
                return
            self._aws.kernel.sleep(actor.random.randrange(4_000_000))

    def _dead_letters(self) -> list[tuple[str, bytes]]:
        """List what a redrive would put on the stream."""
        aws = self._aws
        stored = [*read_all(aws.quarantine, QUARANTINE), *read_all(aws.late, LATE)]
        # What the collector refused is no record, and is refused again.
        found = [(each.shard_id, each.sequence_number) for each in stored if isinstance(each, DeadLetter)]
        for body in aws.failures.values():
            failure = _decode(body)
            if "payload" in failure:
                records = _decode(failure["payload"])["Records"]
                shard_id = failure["KinesisBatchInfo"]["shardId"]
                found += [(shard_id, record["kinesis"]["sequenceNumber"]) for record in records]
        letters = []
        for place in dict.fromkeys(found):
            record = aws.checker.records[place]
            if record.arrived_s >= aws.kernel.now_ms // 1000 - REDRIVE_MAX_S:
                letters.append((record.key, record.data))
        return letters[:20]
