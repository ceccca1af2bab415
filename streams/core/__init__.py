"""What the hub decides. Pure: no I/O, no clock, no framework; the folder is the promise."""
