"""altool: tells, from Parquet tables, what to label next so that every class meets its target."""

__version__ = "0.1.0"
