"""Customers: import, identity, consent, suppression and who may be written to."""
