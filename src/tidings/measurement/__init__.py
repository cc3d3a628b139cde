"""What a campaign caused: arms, goals, effects with intervals, the funnel and the refusals. Writes nothing."""
