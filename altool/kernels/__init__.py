"""Numeric primitives that several strategies and wrappers share."""
