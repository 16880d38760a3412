from tapstack.producer import AsyncProducer, Producer

__version__: str
__all__ = ["AsyncProducer", "Producer"]
