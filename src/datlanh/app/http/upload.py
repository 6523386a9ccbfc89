"""Doors: sheets that people upload: a dry run first, then the commit; and saved mappings."""

from datlanh.app.http.door import Door

door = Door("/api/v1", "uploads")
