"""What a campaign would do, and the start of doing it: arms, variants, plans, runs. Never sends."""
