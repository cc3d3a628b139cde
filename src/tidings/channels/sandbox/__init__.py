"""Providers to try things against: servers of ours on loopback that keep state, fail on demand and call back."""
