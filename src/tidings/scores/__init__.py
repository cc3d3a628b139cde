"""Scores: the chance that a customer does something soon, trained, kept as numbers, applied and explained."""
