"""The whole hub in one seeded process: time, carriers and crashes are arguments."""
