"""The four charts, drawn as SVG from plain figures: intervals, funnel, credit against effect, ladder."""
