"""A definition compiled to one select, membership with intervals, audiences, and looking at them."""
