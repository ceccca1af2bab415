"""How it is carried: one module for each channel and provider, and the lanes they pace."""
