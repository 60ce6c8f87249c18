"""What `experiments.benchmark` measures, a module for each section of its table."""
