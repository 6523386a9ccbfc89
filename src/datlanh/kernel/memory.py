"""How often Python's collector of rings walks through the memory of a program.

Our programs hold hundreds of thousands of lasting objects (series, watches, declarations) and make many short-lived
ones that are in no ring. With the usual thresholds the collector walks through all of the former again and again;
in the applier that was half of the time of mapping.
"""

import gc


def settle() -> None:
    """Call once, when what lasts has been built: it is walked no more, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
