"""Pure functions: intervals, tests, adjustment and power. No store, no definitions, no randomness."""
