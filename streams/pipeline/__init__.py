"""The steps of the river: route, dispatch, receive, tick, sweep. Batches in, journal first."""
