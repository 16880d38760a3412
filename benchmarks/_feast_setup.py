"""Makes Feast's repository and fills its store; run by `benchmarks.insights` with Feast's own Python.

Usage: python _feast_setup.py REPO ENTITIES. The repository holds ``feature_store.yaml`` already.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

FEATURES = 200


def main() -> None:
    repo, entities = Path(sys.argv[1]), int(sys.argv[2])
    ids = [f"i-{number}" for number in range(entities)]
    now = datetime.now(tz=UTC)
    columns = {
        f"f{number}": [number if number % 2 else number + 0.25] * entities for number in range(FEATURES)
    }
    frame = pd.DataFrame({"item": ids, "event_timestamp": [now] * entities, **columns})
    frame.to_parquet(repo / "source.parquet")
    item = Entity(name="item", join_keys=["item"], value_type=ValueType.STRING)
    source = FileSource(path=str(repo / "source.parquet"), timestamp_field="event_timestamp")
    schema = [Field(name=name, dtype=Int64 if int(name[1:]) % 2 else Float64) for name in columns]
    wide = FeatureView(name="wide", entities=[item], ttl=timedelta(days=30), schema=schema, source=source)
    store = FeatureStore(repo_path=str(repo))
    store.apply([item, wide])
    store.write_to_online_store("wide", frame)


if __name__ == "__main__":
    main()
