"""`python -m datlanh` is `datlanh`."""

from datlanh.app.command import main

if __name__ == "__main__":
    main()
