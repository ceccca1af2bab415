"""What ``faust -A streams.app worker`` finds: the Faust app of one kind of worker.

The bed is `streams.kafka_bed`. What lies in it is chosen at the top, by `hub.faust_app`, as for
``hub worker``: this module lends it the name, and looks for it only when Faust asks.
"""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "app":
        return import_module("hub.faust_app").app
    raise AttributeError(name)
