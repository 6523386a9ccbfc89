"""What developers run through `make`: set-up, tests, generated files."""
