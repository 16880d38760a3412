"""How good recommendations are, beside other recommenders, on recorded visits.

Every model's settings are chosen on validation days; the test days are then reported once. The recording is
named by TAPSTACK_RECORDING; the films come with the package recbole, and some of the peers with `implicit`:
`make bench-recommender` installs both into an environment of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from time import process_time
from typing import Any

from benchmarks._report import finish, options, progress
from benchmarks.recommender.peers import Filled, Implicit, Popular, Repeats, Stan, Vsknn
from benchmarks.recommender.product import Newest, Product
from benchmarks.recommender.protocol import MODES, Model, Result, evaluate, mrr, paired, recall
from benchmarks.recommender.sessions import Absent, DataSet, diginetica, movielens

from tapstack.insights.recommendations import WEIGHTS
from tapstack.insights.recommender import Weights

DATA: Mapping[str, Callable[[], DataSet]] = {"diginetica": diginetica, "ml-100k": movielens}
IMPLICIT = ("CosineRecommender", "TFIDFRecommender", "BM25Recommender", "ItemItemRecommender")

Family = Mapping[str, Callable[[], Model]]  # settings of one kind of model


def families() -> dict[str, Family]:
    """Return every kind of model with the settings it may have."""
    found: dict[str, Family] = {
        "popularity": {f"days={days}": _made(Popular, days) for days in (0, 1, 7, 30)},
        "repeats, then popularity": {f"days={days}": _made(Repeats, days) for days in (0, 7)},
        "V-SKNN": {
            f"neighbours={neighbours} sample={sample}": _filled(Vsknn, neighbours, sample)
            for neighbours, sample in product((50, 100), (500, 2_000))
        },
        "STAN": {
            f"neighbours={neighbours} position={position} days={days} distance=3": _filled(
                Stan, neighbours, position, days, 3
            )
            for neighbours, position, days in product((100,), (1, 3), (20, 100))
        },
        "also-viewed of the newest item": {"": Newest},
    }
    try:
        import implicit  # noqa: F401 - is it there?
    except ImportError:
        progress("implicit: skipped, pip install implicit==0.7.3 brings it")
    else:
        for kind in IMPLICIT:
            found[f"implicit {kind.removesuffix('Recommender')}"] = {
                f"neighbours={neighbours} decay={decay}": _filled(Implicit, kind, neighbours, decay)
                for neighbours, decay in product((20, 100), (0.6, 0.8))
            }
    return found


def ours() -> Family:
    """Return the settings of the product's own recommender."""
    return {
        f"decay={decay} hop={hop} seen={seen}": _made(Product, Weights(decay, hop, seen))
        for decay, hop, seen in [
            *product((0.7, 0.8, 0.9), (0.0, 0.1, 0.2, 0.3), (WEIGHTS.seen,)),
            *((WEIGHTS.decay, WEIGHTS.hop, seen) for seen in (0.3, 3.0)),
        ]
    }


def _made(kind: Callable[..., Model], *arguments: Any) -> Callable[[], Model]:
    return lambda: kind(*arguments)


def _filled(kind: Callable[..., Model], *arguments: Any) -> Callable[[], Model]:
    return lambda: Filled(kind(*arguments))


def validated(family: Family, data: DataSet, mode: str) -> dict[str, float]:
    """Return the recall of each settings on the validation days."""
    return {
        settings: evaluate("", make(), data, data.validation_s, (mode,))[0].recall
        for settings, make in family.items()
    }


def best_of(recalls: Mapping[str, float]) -> str:
    """Return the settings with the highest recall."""
    return max(recalls, key=lambda settings: recalls[settings])


def figures(results: Iterable[Result]) -> dict[str, float]:
    """Return results with their intervals."""
    found: dict[str, float] = {}
    for result in results:
        for name, of in (("recall_20", recall), ("mrr_20", mrr)):
            low, high = result.interval(of)
            key = f"{result.mode}_{name}"
            found |= {key: of(result.by_visit), f"{key}_low": low, f"{key}_high": high}
        found[f"{result.mode}_predictions"] = result.predictions
    return found


def report(
    data: DataSet, peers: Mapping[str, Family]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Choose the peers' settings, test all, and return our figures, the peers' and how they compare."""
    settings: dict[str, str] = {}
    for name, family in peers.items():
        settings[name] = best_of(validated(family, data, "new")) if len(family) > 1 else next(iter(family))
        progress(f"{data.name}: {name} {settings[name]}")
    tested = {name: evaluate(name, peers[name][settings[name]](), data, data.test_s) for name in peers}
    own = evaluate("tapstack", Product(), data, data.test_s)
    found = {
        f"{data.name} {name}": {"settings": settings[name], **figures(results)}
        for name, results in tested.items()
    }
    ratios: dict[str, float] = {}
    for name, (new, _) in tested.items():
        gap, low, high = paired(own[0], new)
        key = f"{data.name}_new_recall_20_over_{name}"
        ratios |= {key: gap, f"{key}_low": low, f"{key}_high": high}
    ours_on_it = {**figures(own), "cpu_ms_an_answer": cpu_ms(data)}
    return {f"{data.name}_{key}": value for key, value in ours_on_it.items()}, found, ratios


def cpu_ms(data: DataSet) -> float:
    """Return the CPU milliseconds that an answer of ours takes, for the beginnings of the test's visits."""
    model = Product()
    begin_s, end_s = data.test_s
    model.learn([session for session in data.sessions if session.start_s < begin_s], begin_s)
    tested = [session.items for session in data.sessions if begin_s <= session.start_s < end_s]
    asked = [items[:length] for items in tested for length in range(1, min(len(items), 11))]
    began_s = process_time()
    for items in asked:
        model.recommend(items, repeats=False)
    return (process_time() - began_s) * 1_000 / len(asked)


def validate_ours(data_sets: Sequence[DataSet]) -> dict[str, float]:
    """Return what each of our settings comes to on the validation days of each data set, in each mode."""
    return {
        f"validation_{data.name}_{mode}_recall_20 {settings}": value
        for data in data_sets
        for mode in MODES
        for settings, value in validated(ours(), data, mode).items()
    }


def main() -> None:
    """Measure."""
    parser = options("recommender", __doc__)
    parser.add_argument("--only", choices=DATA, help="one data set")
    parser.add_argument(
        "--validate", action="store_true", help="our own settings on the validation days, too"
    )
    asked = parser.parse_args()
    data_sets = []
    for name in [asked.only] if asked.only else DATA:
        try:
            data_sets.append(DATA[name]())
        except Absent as why:
            progress(f"{name}: skipped, {why}")
    own: dict[str, Any] = validate_ours(data_sets) if asked.validate else {}
    peers: dict[str, dict[str, Any]] = {}
    ratios: dict[str, float] = {}
    for data in data_sets:
        ours_on_it, peers_on_it, compared = report(data, families())
        own, peers, ratios = own | ours_on_it, peers | peers_on_it, ratios | compared
    finish("recommender", own, peers, ratios, as_json=asked.json)


if __name__ == "__main__":
    main()
