"""Points at which a test may kill us: `DATLANH_KILL_AT=inbox.committed:3` dies at the third passing of that point.

Without the variable a point costs one comparison. It exists so that crashes can be tried at every place where
they could hurt, not only where chance puts them (reliability.md, section 4).
"""

import os
import signal

_name, _, _count = os.environ.get("DATLANH_KILL_AT", "").partition(":")
_left = int(_count or 1)


def point(name: str) -> None:
    """Die here, by `kill -9`, if a test asked for it."""
    global _left
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
