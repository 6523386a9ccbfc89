"""A pack's Python, imported as `packs.<id>` wherever its folder lies.

Only code that stands in the pack's own folder is imported under that name; two folders never share one.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


def mount(pack: str, folder: Path) -> ModuleType:
    """Make `packs.<pack>` stand for `folder`; what was imported from another folder is forgotten."""
    parent = sys.modules.get("packs")
    if parent is None:
        parent = ModuleType("packs")
        parent.__path__ = []
        sys.modules["packs"] = parent
    name = f"packs.{pack}"
    here = str(folder.resolve())
    mounted = sys.modules.get(name)
    if mounted is not None:
        if list(mounted.__path__) == [here]:
            return mounted
        for other in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
            del sys.modules[other]
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [here]
    module = importlib.util.module_from_spec(spec)
    module.__path__ = [here]
    sys.modules[name] = module
    setattr(parent, pack, module)
    return module


def modules(pack: str, folder: Path) -> Iterator[tuple[ModuleType | None, str]]:
    """Import the pack's `indicators/*.py`; a module that cannot be imported is given as None with the reason."""
    files = sorted((folder / "indicators").glob("*.py"))
    if not files:
        return
    mount(pack, folder)
    importlib.invalidate_caches()
    for file in files:
        if file.name == "__init__.py":
            continue
        name = f"packs.{pack}.indicators.{file.stem}"
        try:
            yield importlib.import_module(name), ""
        except Exception as error:  # foreign code: whatever it throws is its own mistake, and said
            yield None, f"indicators/{file.name} cannot be imported: {type(error).__name__}: {error}."
