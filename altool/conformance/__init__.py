"""What every plug-in promises, as checks without a test framework: `for check in CHECKS.values(): check(record)`."""
