"""The top of the house: settings, clock and composition; the only place that picks real things."""
