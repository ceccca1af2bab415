"""The read models that follow the journal: where legs stand, what happens a minute, what is new."""
