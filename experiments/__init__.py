"""Programs over `mg_jax` and `flows`."""
