"""What a promotion earned: margin after discounts and costs, beside what would have come without it."""
