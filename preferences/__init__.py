"""Who wants what: recipients, their consent, quiet hours and limits."""
