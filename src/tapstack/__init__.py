"""Tapstack: a private clickstream pipeline that loses nothing and counts every event exactly once."""

__version__ = "0.1.0"  # as in pyproject.toml; a Lambda package has no metadata to ask (tested)

_MODULES = {
    "AsyncInsights": "tapstack.client",
    "AsyncProducer": "tapstack.producer",
    "Insights": "tapstack.client",
    "Producer": "tapstack.producer",
}
__all__ = ["AsyncInsights", "AsyncProducer", "Insights", "Producer"]


def __getattr__(name: str) -> object:
    """Import producer or client when asked for: nothing else may cost an import of this package.

    The types are in the stub beside this file. An import statement here would also put both into the zips of
    the Lambda functions (`tapstack.deploy.imports`).
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
