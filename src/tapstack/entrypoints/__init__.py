"""Where the pipeline meets Lambda: settings are read once, the world is put together, handlers answer.

Each function imports its own stage only; import time is measured by ``benchmarks.imports``.
"""
