"""What happened: the append-only journal, the archive, timers, projections and their proof."""
