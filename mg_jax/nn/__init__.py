"""What networks of several kinds are built of: attention, transformers, norms, linear layers."""
