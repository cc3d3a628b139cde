"""What runs by itself: the supervisor of `tidings serve`, its web child and its worker child."""
