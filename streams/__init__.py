"""The river: from an upstream event to a delivered receipt, every step in the journal."""
