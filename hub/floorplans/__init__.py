"""Floor plans: a file that somebody sends becomes a picture of ours; zones and devices stand on it."""
