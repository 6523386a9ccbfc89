"""A pack's Python imports `datlanh.kit` and its own modules, and nothing else of ours."""

import ast
from pathlib import Path

from datlanh.model.pack import Finding, Pack, Packs, Where


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Read the imports of every module but the tests."""
    found: list[Finding] = []
    folder = Path(pack.folder)
    for path in sorted(folder.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                ours = name == "datlanh" or name.startswith("datlanh.")
                strange = name.startswith("packs.") and not name.startswith(f"packs.{pack.id}")
                if (ours and name != "datlanh.kit") or strange:
                    found.append(
                        Finding(
                            promise="kit_only",
                            what=f"it imports {name}.",
                            todo="A pack imports datlanh.kit and its own modules.",
                            where=Where(file=str(path.relative_to(folder)), line=getattr(node, "lineno", 0)),
                            pack=pack.id,
                        )
                    )
    return found
