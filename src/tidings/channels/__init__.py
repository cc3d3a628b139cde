"""The adapter protocol and the adapters: how a finished message leaves the house, and what came back."""
