"""What the hub costs, measured: rates and CPU per notification, stage by stage."""
