"""Where the pipeline meets Lambda: settings are read once, dependencies are put together, handlers answer.

Each function imports its own stage only; import time is measured by ``benchmarks.imports``.
"""
