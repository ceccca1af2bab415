"""What is said: the catalog of notices, and how their wording is checked and rendered."""
