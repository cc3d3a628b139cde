"""How customers move: along the ladder, who brings the money, how they come back, by sales channel."""
