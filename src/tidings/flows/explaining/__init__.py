"""Why somebody got what they got, how a flow stands, and what a month holds: read from stored rows, never written."""
