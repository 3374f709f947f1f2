"""One file per command: read tables, check them, hand arrays to a pure function, write a table."""
