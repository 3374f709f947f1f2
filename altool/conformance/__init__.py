"""Checks that every plug-in must pass, altool's own or another package's: importable, and without pytest."""
