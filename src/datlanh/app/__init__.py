"""The programs: HTTP, the worker, the sources, the command line; the only place where all floors meet."""
