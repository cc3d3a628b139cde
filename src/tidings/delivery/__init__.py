"""Delivery keeps its word: claims, the gate, marks, doubts and the ledger's own proof."""
