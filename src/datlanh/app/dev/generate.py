"""`make types`: everything that is made from the code: API types of the console, pages of reference.

The files are committed, so that the console builds without Python and people read them without running
anything; a shape test fails when one is not what this program makes now.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def settings() -> str:
    """docs/reference/settings.md"""
    from datlanh.kernel.settings import settings_page

    return settings_page()


def messages() -> str:
    """docs/reference/messages.md"""
    from datlanh.kernel.outbox import message_types

    lines = [
        "# Messages",
        "",
        "Made from `model/messages/`; do not edit. What can be told, floor by floor.",
        "",
    ]
    floors: dict[str, list[type]] = {}
    for kind in message_types().values():
        floors.setdefault(kind.__module__.rsplit(".", 1)[1], []).append(kind)
    for floor in sorted(floors):
        lines += [f"## {floor}", ""]
        for kind in sorted(floors[floor], key=lambda k: k.__name__):
            fields = ", ".join(f"`{name}`" for name in inspect.signature(kind).parameters)
            lines += [
                f"### {kind.__name__}",
                "",
                inspect.cleandoc(kind.__doc__ or ""),
                "",
                f"Carries {fields}.",
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"


def permissions() -> str:
    """docs/reference/permissions.md"""
    from datlanh.people.permission import permissions_page

    return permissions_page()


def openapi() -> str:
    """web/src/api/openapi.json"""
    from datlanh.app.http.openapi import text

    return text()


GENERATED: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings,
    "docs/reference/messages.md": messages,
    "docs/reference/permissions.md": permissions,
    "web/src/api/openapi.json": openapi,
}


def main() -> int:
    """Write every file that is not as it should be."""
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
