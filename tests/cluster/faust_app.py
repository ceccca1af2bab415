"""The bed as Faust's own command finds it: ``faust -A tests.cluster.faust_app worker``.

The orders of `tests.cluster.slice_worker` are in the environment, as ``ORDERS``.
"""

import os

from tests.cluster.slice_worker import bed_of, orders_of

app = bed_of(orders_of(os.environ["ORDERS"])).app
