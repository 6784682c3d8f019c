"""Settings: one file and the environment in, checked models out."""
