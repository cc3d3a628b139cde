"""Where a workspace is, which environment is meant, and what the machine's environment says about it."""
