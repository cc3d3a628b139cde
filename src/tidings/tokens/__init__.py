"""Tokens that links carry, API keys, and the key ring that signs them."""
