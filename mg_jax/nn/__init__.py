"""What networks of several kinds are built of, and how they are computed."""
