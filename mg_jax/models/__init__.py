"""Models that the sampler can steer, the reading of prompts, and a judge of pictures by texts."""
