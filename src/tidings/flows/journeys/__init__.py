"""Journeys of customers through flows: what starts them, how they go on, and what an edit does to those on the way."""
