"""Mutants of what may be stored nowhere: senders without a key, people who denied consent, and names."""

from __future__ import annotations

from .mutant import INTAKE, one

SOURCES = "tapstack.core.sources"
KNOWN = "tapstack.collector.known_sources"
ADMISSION = "tapstack.collector.admission"
CONSENT = "tapstack.collector.enrichment.consent"
ENRICHING = "tapstack.collector.enrichment.order"
PSEUDONYMS = "tapstack.collector.enrichment.pseudonyms"
REFUSED_NAMES = "tapstack.collector.enrichment.refused_names"
QUARANTINE = "tapstack.collector.quarantine"
REQUEST = "tapstack.entrypoints.collector_request"
READING_KEY = "tapstack.entrypoints.enrichment"

REFUSING = (
    one(
        "key_compared_by_prefix",
        "a key is compared whole",
        SOURCES,
        "if compare_digest(live.hash, presented):",
        "if compare_digest(live.hash[:1], presented[:1]):",
    ),
    one(
        "missing_key_is_anybodys",
        "a request without a key is refused",
        ADMISSION,
        "found = sources.without_key(format_name) if key is None else sources.of_key(key)",
        "found = sources.sources[0] if key is None else sources.of_key(key)",
    ),
    one(
        "new_key_refused_by_old_sources",
        "a key is refused only by sources that were read seconds ago",
        KNOWN,
        "FRESH_FOR_REFUSAL_MS = 5_000",
        "FRESH_FOR_REFUSAL_MS = 60_000",
    ),
    one(
        "revoked_key_for_ever",
        "a revoked key ends within a minute",
        KNOWN,
        "FRESH_MS = 60_000",
        "FRESH_MS = 6_000_000",
    ),
    one(
        "consent_after_storage",
        "consent is asked before a record is made",
        INTAKE,
        "            enriched = enrich(event, _arrival(data, received_at))\n",
        "            entries[position] = StreamEntry(\n"
        "                partition_key=partition_key_of(event.user_id, event.anonymous_id),\n"
        "                data=_record(data, event, records, None),\n"
        "            )\n"
        "            enriched = enrich(event, _arrival(data, received_at))\n",
    ),
    one(
        "denied_in_quarantine",
        "a refused event that denies is not kept",
        QUARANTINE,
        " and not (self.withheld is not None and self.withheld(payloads[index]))",
        "",
    ),
    one(
        "nobody_keeps_the_users_id",
        "an event of nobody has the id of none",
        CONSENT,
        '        anonymous_id=f"{VISITOR}{name}",\n',
        '        anonymous_id=f"{VISITOR}{name}",\n        session_id=event.user_id or event.anonymous_id,\n',
    ),
    one(
        "nobody_by_an_unkeyed_name",
        "the hash of an event of nobody is keyed",
        CONSENT,
        "    name = pseudonym(msgspec.json.encode(who), key)\n",
        '    name = pseudonym(msgspec.json.encode(who), b"")\n',
    ),
    one(
        "nobody_is_one_visitor",
        "an event of nobody is named by the event, not by the person",
        CONSENT,
        "    who = [event.user_id, event.anonymous_id, event.event_id, event.client_id, event.n]\n",
        "    who = [event.user_id, event.anonymous_id]\n",
    ),
    one(
        "names_on_the_stream",
        "named fields have pseudonyms",
        ENRICHING,
        "            event = self.pseudonymise(event, self.key, is_id_derived=arrival.is_id_derived)\n",
        "            self.pseudonymise(event, self.key, is_id_derived=arrival.is_id_derived)\n",
    ),
    one(
        "names_in_spill",
        "the spill bucket holds what the stream would",
        INTAKE,
        "    _note_stored(results, _stored(entries, dependencies, spill), twins)\n",
        "    read = _read(events, event_bytes_max)\n"
        "    plain = {\n"
        "        n: StreamEntry(\n"
        "            partition_key=entry.partition_key,\n"
        "            data=_record(events[n], read[n].event, records, None),\n"
        "        )\n"
        "        for n, entry in entries.items()\n"
        "    }\n"
        "    spill_plain = spill and (lambda left: spill({n: plain[n] for n in left}))\n"
        "    _note_stored(results, _stored(entries, dependencies, spill_plain), twins)\n",
    ),
    one(
        "names_as_partition_keys",
        "the partition of the stream is that of the pseudonym",
        INTAKE,
        "partition_key_of(event.user_id, event.anonymous_id)",
        "partition_key_of(said.event.user_id, said.event.anonymous_id)",
    ),
    one(
        "names_in_quarantine",
        "a refused event is kept without names",
        QUARANTINE,
        "        return payload if self.without_names is None else self.without_names(payload)\n",
        "        return payload\n",
    ),
    one(
        "misspelt_names_in_quarantine",
        "near spellings of a field are names too",
        REFUSED_NAMES,
        '    return re.sub(r"[^a-z0-9]", "", name.lower())\n',
        "    return name\n",
    ),
    one(
        "plain_names_without_the_key",
        "nothing is taken while the key of pseudonyms cannot be read",
        REQUEST,
        "        enriching = None if enrichment is None else enrichment()\n",
        "        try:\n"
        "            enriching = None if enrichment is None else enrichment()\n"
        "        except Unavailable:\n"
        "            enriching = None\n",
    ),
    one(
        "an_empty_key_for_an_unreadable_one",
        "a pseudonym is made with the key, or not at all",
        READING_KEY,
        '            key = _key(read_key()) if settings.needs_key else b""\n',
        "            try:\n"
        '                key = _key(read_key()) if settings.needs_key else b""\n'
        "            except Unavailable:\n"
        '                key = b""\n',
    ),
    one(
        "refused_for_an_unreadable_secret",
        "a sender is told to send again what cannot be pseudonymised now",
        REQUEST,
        "    return error_response(503, ",
        "    return error_response(400, ",
    ),
    one(
        "pseudonyms_by_field",
        "a person has one pseudonym, whichever field names it",
        PSEUDONYMS,
        "                changes[name] = pseudonym(value.encode(), key)\n",
        '                changes[name] = pseudonym(f"{name}{value}".encode(), key)\n',
    ),
)
