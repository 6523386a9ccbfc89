"""The console's files: built once, compressed once, served as they are.

Hashed assets are kept by browsers for good, `index.html` never. Any path of the console that is no file gets
the shell (the console finds its own way by the URL). When the console has not been built, that is said in
words with 503, so that nobody searches for a fault elsewhere.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from datlanh.app.http.door import language_of
from datlanh.kernel.words import say

FOREVER = "public, max-age=31536000, immutable"
FRESH = "no-cache"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".pmtiles": "application/octet-stream",
    ".txt": "text/plain; charset=utf-8",
}
_CODINGS = (("br", ".br"), ("gzip", ".gz"))
# What belongs to others: an unknown page there is a 404, not the console.
NOT_OURS = ("api/", "ngsi-ld/", "livez", "readyz", "metrics")


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    packed: dict[str, bytes]
    kind: str
    tag: str
    forever: bool


class Web:
    """The folder of the built console, read when it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self._files: dict[str, _File] = {}

    def _look(self) -> None:
        index = self._folder / "index.html"
        try:
            at = index.stat()
        except OSError:
            self._stamp, self._files = None, {}
            return
        stamp = (at.st_mtime_ns, at.st_size)
        if stamp == self._stamp:
            return
        files: dict[str, _File] = {}
        for path in sorted(self._folder.rglob("*")):
            if not path.is_file() or path.is_symlink() or path.suffix in (".br", ".gz"):
                continue
            name = path.relative_to(self._folder).as_posix()
            if any(part.startswith(".") for part in name.split("/")):
                continue
            body = path.read_bytes()
            packed = {
                coding: side.read_bytes()
                for coding, end in _CODINGS
                if (side := Path(f"{path}{end}")).is_file()
            }
            kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            files[name] = _File(body, packed, kind, tag, name.startswith("assets/"))
        self._files, self._stamp = files, stamp

    def answer(self, request: Request) -> Response:
        """The file, or the shell, or why there is none."""
        self._look()
        name = request.url.path.lstrip("/")
        if name.startswith(NOT_OURS):
            return _not_found(request)
        found = self._files.get(name or "index.html")
        if found is None:
            # `/procedures/environment.poor_air` is a screen: a file is what ends as files do.
            ending = Path(name).suffix
            if ending in _TYPES or mimetypes.guess_type(name)[0] or name.startswith("assets/"):
                return _not_found(request)
            found = self._files.get("index.html")
        if found is None:
            return PlainTextResponse(
                say("http.console_not_built", language_of(request)),
                503,
                {"Retry-After": "30", "Cache-Control": "no-store"},
            )
        headers = {
            "ETag": found.tag,
            "Vary": "Accept-Encoding",
            "Cache-Control": FOREVER if found.forever else FRESH,
        }
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        body = found.body
        wanted = {
            part.split(";")[0].strip()
            for part in request.headers.get("accept-encoding", "").lower().split(",")
        }
        for coding, _ in _CODINGS:
            if coding in wanted and coding in found.packed:
                body = found.packed[coding]
                headers["Content-Encoding"] = coding
                break
        return Response(body, 200, headers, found.kind)


def _not_found(request: Request) -> Response:
    from datlanh.app.http.errors import Trouble, problem

    return problem(Trouble(404, "http.no_such_page", {"path": request.url.path[:200]}), language_of(request))
