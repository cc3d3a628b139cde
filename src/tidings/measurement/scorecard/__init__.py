"""The goals of the company: plan, actual, forecast and status of each, and what is done for it."""
