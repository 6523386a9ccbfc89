"""The warehouse: Iceberg tables in a local folder, their catalogue in our PostgreSQL, read by DuckDB.

Nothing here is asynchronous; callers use a thread. It knows files and snapshots, not hours and ledgers. Data
files are written by ourselves, sorted and durable, and handed to pyiceberg for the commit.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psycopg.conninfo
import structlog
from numpy.typing import NDArray

from datlanh.keep.columns import Columns, count, pick
from datlanh.keep.durable import path_of, sync_folder, written
from datlanh.kernel import from_micros
from datlanh.model.errors import Unavailable


def arrow() -> Any:
    """Arrow, brought in when it is first needed: most programs never touch the lake, and it is heavy."""
    return import_module("pyarrow")


log = structlog.get_logger(__name__)
Name = Literal["history", "journal", "series"]
TOKEN = "datlanh.token"
ROW_GROUP = 122_880

# Name, type, and whether it may be missing.
COLUMNS: Mapping[Name, tuple[tuple[str, str, bool], ...]] = {
    "history": (
        ("series_no", "int64", False),
        ("observed_at", "instant", False),
        ("value", "float64", False),
        ("quality", "int32", False),
        ("superseded", "bool_", False),
        ("known_at", "instant", False),
        ("revision", "int64", False),
        ("journal", "int64", False),
        ("line", "int32", False),
    ),
    "journal": (
        ("seq", "int64", False),
        ("received_at", "instant", False),
        ("source", "string", False),
        ("codec", "string", False),
        ("file_name", "string", True),
        ("idempotency_key", "string", True),
        ("hash", "binary", False),
        ("items", "int32", False),
        ("size", "int64", False),
        ("body", "binary", False),
        ("meta", "string", False),
    ),
    "series": (
        ("series_no", "int64", False),
        ("entity", "string", False),
        ("type", "string", False),
        ("attribute", "string", False),
        ("dataset", "string", False),
        ("unit", "string", False),
    ),
}


def schema(name: Name) -> Any:
    """The columns of a table, for Arrow."""
    pa = arrow()
    return pa.schema(
        [
            pa.field(column, _instant() if kind == "instant" else getattr(pa, kind)(), nullable=nullable)
            for column, kind, nullable in COLUMNS[name]
        ]
    )


def names(name: Name) -> list[str]:
    """The names of a table's columns."""
    return [column for column, _, _ in COLUMNS[name]]


def _instant() -> Any:
    return arrow().timestamp("us", tz="UTC")


_DAY_OF: Mapping[Name, str | None] = {"history": "observed_at", "journal": "received_at", "series": None}
# What rises steadily within a series takes next to nothing as differences.
_ENCODINGS: Mapping[Name, Mapping[str, str]] = {
    "history": {
        "observed_at": "DELTA_BINARY_PACKED",
        "known_at": "DELTA_BINARY_PACKED",
        "revision": "DELTA_BINARY_PACKED",
        "journal": "DELTA_BINARY_PACKED",
    },
    "journal": {},
    "series": {},
}
_DICTIONARY: Mapping[Name, list[str]] = {
    "history": ["series_no", "value", "quality", "line"],
    "journal": ["source", "codec"],
    "series": ["type", "attribute", "dataset", "unit"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A data file, with what is needed to know whether to open it."""

    path: str
    day: date
    rows: int
    bytes: int
    first_at: int
    last_at: int
    first_number: int
    last_number: int


class Warehouse:
    """The tables and their files."""

    def __init__(self, database_url: str, folder: str) -> None:
        if "://" in folder and not folder.startswith("file://"):
            raise Unavailable("keep.lake_only_local", folder=folder)
        self.folder = path_of(folder).resolve()
        self._database_url = database_url
        self._duck: Any = None
        self._opening = threading.Lock()

    # -- Iceberg

    @contextmanager
    def catalog(self) -> Iterator[Any]:
        """The catalogue, for a short time; its tables are in schema `keep`."""
        from pyiceberg.catalog.sql import SqlCatalog
        from sqlalchemy import URL

        given = {k: str(v) for k, v in psycopg.conninfo.conninfo_to_dict(self._database_url).items()}
        given["options"] = (given.get("options", "") + " -c search_path=keep").strip()
        uri = URL.create("postgresql+psycopg", query=given).render_as_string(hide_password=False)
        catalog = SqlCatalog(
            "datlanh",
            uri=uri,
            warehouse=self.folder.as_uri(),
            **{"py-io-impl": "datlanh.keep.icefile.DurableIO"},
        )
        try:
            yield catalog
        finally:
            catalog.engine.dispose()

    def table(self, catalog: Any, name: Name) -> Any:
        """A table, made if need be."""
        from pyiceberg.exceptions import NoSuchTableError
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
        from pyiceberg.transforms import DayTransform

        try:
            return catalog.load_table(("keep", name))
        except NoSuchTableError:
            pass
        catalog.create_namespace_if_not_exists("keep")
        from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids
        from pyiceberg.schema import assign_fresh_schema_ids

        columns: Schema = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(schema(name)))
        column = _DAY_OF[name]
        fields = []
        if column is not None:
            source = columns.find_field(column).field_id
            fields = [
                PartitionField(
                    source_id=source, field_id=1000, transform=DayTransform(), name=f"{column}_day"
                )
            ]
        return catalog.create_table(
            ("keep", name),
            schema=columns,
            partition_spec=PartitionSpec(*fields),
            sort_order=UNSORTED_SORT_ORDER,
            location=(self.folder / "keep" / name).as_uri(),
            properties={
                "schema.name-mapping.default": columns.name_mapping.model_dump_json(),
                "commit.manifest-merge.enabled": "true",
                "commit.manifest.min-count-to-merge": "32",
                "write.metadata.previous-versions-max": "10",
                "write.metadata.delete-after-commit.enabled": "true",
                "write.parquet.compression-codec": "zstd",
            },
        )

    def files(self, name: Name, days: Iterable[date] | None = None) -> list[File]:
        """The data files of the newest snapshot, maybe only those of some days."""
        with self.catalog() as catalog:
            return self._files(self.table(catalog, name), name, days)

    def _files(self, table: Any, name: Name, days: Iterable[date] | None) -> list[File]:
        by: Any = import_module("pyiceberg.expressions")

        if table.current_snapshot() is None:
            return []
        wanted = None if days is None else sorted(set(days))
        row_filter: Any = by.AlwaysTrue()
        column = _DAY_OF[name]
        if wanted is not None and column is not None:
            if not wanted:
                return []
            terms = [
                by.And(
                    by.GreaterThanOrEqual(column, f"{first.isoformat()}T00:00:00+00:00"),
                    by.LessThan(column, f"{(last + timedelta(days=1)).isoformat()}T00:00:00+00:00"),
                )
                for first, last in _stretches(wanted)
            ]
            row_filter = terms[0] if len(terms) == 1 else by.Or(*terms)
        return [self._file(table, name, task.file) for task in table.scan(row_filter=row_filter).plan_files()]

    def _file(self, table: Any, name: Name, found: Any) -> File:
        from pyiceberg.conversions import from_bytes

        described = table.schema()
        instant = _DAY_OF[name] or ""
        number = names(name)[0]

        def bound(which: Mapping[int, bytes], column: str) -> int:
            field = described.find_field(column)
            return int(from_bytes(field.field_type, which[field.field_id]))

        first_at = bound(found.lower_bounds, instant) if instant else 0
        return File(
            path=str(path_of(found.file_path)),
            day=from_micros(first_at).date(),
            rows=found.record_count,
            bytes=found.file_size_in_bytes,
            first_at=first_at,
            last_at=bound(found.upper_bounds, instant) if instant else 0,
            first_number=bound(found.lower_bounds, number),
            last_number=bound(found.upper_bounds, number),
        )

    def write(self, name: Name, day: date | None, token: str, rows: Any) -> Path:
        """Write a data file, sorted already, whole and durable; its name tells for what it was written."""
        data = self.folder / "keep" / name / "data"
        if day is not None:
            data = data / f"{_DAY_OF[name]}_day={day.isoformat()}"
        path = data / f"{token}.parquet"
        with written(path) as file:
            import_module("pyarrow.parquet").write_table(
                rows.cast(schema(name)),
                file,
                compression={
                    column: "none" if (name, column) == ("journal", "body") else "zstd"
                    for column in names(name)
                },
                use_dictionary=_DICTIONARY[name],
                column_encoding=dict(_ENCODINGS[name]),
                row_group_size=ROW_GROUP,
                write_statistics=[c for c in names(name) if c not in ("body", "meta", "hash")],
                store_schema=False,
            )
        return path

    def commit(
        self,
        name: Name,
        *,
        add: Sequence[Path],
        remove: Iterable[str] = (),
        token: str,
        once: bool = False,
    ) -> tuple[int, list[File]]:
        """One snapshot that adds and removes files; with `once`, none if the token was committed before.

        Returns the snapshot and the data files that were added.
        """
        from pyiceberg.io.pyarrow import parquet_files_to_data_files

        gone = set(remove)
        with self.catalog() as catalog:
            table = self.table(catalog, name)
            if once:
                for snapshot in reversed(table.snapshots()):
                    if snapshot.summary is not None and snapshot.summary.get(TOKEN) == token:
                        paths = {str(path) for path in add}
                        days = None if _DAY_OF[name] is None else [self._day_in(path) for path in add]
                        found = [f for f in self._files(table, name, days) if f.path in paths]
                        return snapshot.snapshot_id, found
            added = list(
                parquet_files_to_data_files(
                    table.io, table.metadata, iter([path.resolve().as_uri() for path in add])
                )
            )
            with table.transaction() as transaction:
                update = transaction.update_snapshot(snapshot_properties={TOKEN: token})
                producer = update.overwrite() if gone else update.merge_append()
                with producer as change:
                    for file in added:
                        change.append_data_file(file)
                    if gone:
                        for task in table.scan().plan_files():
                            if str(path_of(task.file.file_path)) in gone:
                                change.delete_data_file(task.file)
            snapshot = table.current_snapshot()
            return int(snapshot.snapshot_id), [self._file(table, name, file) for file in added]

    @staticmethod
    def _day_in(path: Path) -> date:
        return date.fromisoformat(path.parent.name.partition("=")[2])

    def expire(self, name: Name, older_than: datetime | None) -> int:
        """Expire snapshots older than an instant, or all but the current one; how many."""
        with self.catalog() as catalog:
            table = self.table(catalog, name)
            current = table.current_snapshot()
            if current is None:
                return 0
            limit = None if older_than is None else int(older_than.timestamp() * 1000)
            old = [
                snapshot.snapshot_id
                for snapshot in table.snapshots()
                if snapshot.snapshot_id != current.snapshot_id
                and (limit is None or snapshot.timestamp_ms < limit)
            ]
            if old:
                table.maintenance.expire_snapshots().by_ids(old).commit()
            return len(old)

    def sweep(self, name: Name, keep: Iterable[str], younger_than: float | None) -> int:
        """Remove files that no snapshot needs and nobody wants kept; how many.

        `younger_than` (a file's time) spares what is perhaps being written or still being read.
        """
        with self.catalog() as catalog:
            table = self.table(catalog, name)
            needed = {str(path_of(table.metadata_location)), *keep}
            for entry in table.metadata.metadata_log:
                needed.add(str(path_of(entry.metadata_file)))
            for snapshot in table.snapshots():
                needed.add(str(path_of(snapshot.manifest_list)))
                for manifest in snapshot.manifests(table.io):
                    needed.add(str(path_of(manifest.manifest_path)))
                    for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                        needed.add(str(path_of(entry.data_file.file_path)))
        removed = 0
        folders: set[Path] = set()
        for path in self.on_disk(name):
            if str(path) in needed:
                continue
            try:
                if younger_than is not None and path.stat().st_mtime >= younger_than:
                    continue
                path.unlink()
            except FileNotFoundError:
                continue
            folders.add(path.parent)
            removed += 1
        for folder in folders:
            sync_folder(folder)
        return removed

    def forget_versions(self, name: Name) -> None:
        """Drop the log of former table descriptions, so that their files can be swept."""
        with self.catalog() as catalog:
            table = self.table(catalog, name)
            with table.transaction() as transaction:
                transaction.set_properties({"write.metadata.previous-versions-max": "1"})
            with table.transaction() as transaction:
                transaction.set_properties({"write.metadata.previous-versions-max": "10"})

    def on_disk(self, name: Name) -> list[Path]:
        """Every file under a table's folder."""
        folder = self.folder / "keep" / name
        return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []

    # -- DuckDB

    def ask(self, sql: str, params: Mapping[str, Any] | None = None) -> Columns:
        """A question to DuckDB, answered as columns without nulls."""
        connection = self._connection().cursor()
        try:
            found = connection.execute(sql, params or {}).fetchnumpy()
        except self._duckdb().IOException as error:
            raise Unavailable("keep.lake_moved", retry_after=1) from error
        finally:
            connection.close()
        return {name: np.asarray(values) for name, values in found.items()}

    def arrow(self, sql: str) -> Any:
        """The same, answered as Arrow."""
        connection = self._connection().cursor()
        try:
            return connection.sql(sql).to_arrow_table()
        except self._duckdb().IOException as error:
            raise Unavailable("keep.lake_moved", retry_after=1) from error
        finally:
            connection.close()

    @staticmethod
    def _duckdb() -> Any:
        return import_module("duckdb")

    def _connection(self) -> Any:
        with self._opening:
            if self._duck is None:
                self._duck = self._duckdb().connect(
                    config={
                        "threads": 2,
                        "memory_limit": "1GB",
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                        "temp_directory": str(self.folder / "duckdb"),
                    }
                )
                self._duck.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
            return self._duck

    def close(self) -> None:
        """Let go of DuckDB."""
        with self._opening:
            if self._duck is not None:
                self._duck.close()
                self._duck = None


def listed(paths: Iterable[str]) -> str:
    """Paths as a DuckDB list of strings."""
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


def history_table(rows: Columns, superseded: NDArray[np.bool_]) -> Any:
    """Versions as the lake keeps them, sorted by series and instant; superseded ones after the one that holds."""
    places = np.lexsort((superseded, rows["observed_at"], rows["series_no"]))
    rows, superseded = pick(rows, places), superseded[places]
    pa = arrow()
    return pa.table(
        {
            "series_no": rows["series_no"],
            "observed_at": pa.array(rows["observed_at"]).cast(_instant()),
            "value": rows["value"],
            "quality": rows["quality"].astype(np.int32),
            "superseded": pa.array(superseded),
            "known_at": pa.array(rows["known_at"]).cast(_instant()),
            "revision": rows["revision"],
            "journal": rows["journal"],
            "line": rows["line"].astype(np.int32),
        },
        schema=schema("history"),
    )


def as_text(meta: Mapping[str, Any]) -> str:
    """A mapping as JSON."""
    return json.dumps(meta, ensure_ascii=False, separators=(",", ":"), default=str)


def _stretches(days: Sequence[date]) -> list[tuple[date, date]]:
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def rows_in(columns: Columns) -> int:
    """The number of rows of an answer."""
    return count(columns) if columns else 0
