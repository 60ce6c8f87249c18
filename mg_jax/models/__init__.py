"""Networks that the sampler can steer."""
