"""Credit for conversions, from touches and conversions alone: who stood on the way, not who caused it."""
