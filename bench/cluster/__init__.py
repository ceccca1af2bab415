"""What a cluster costs and carries, measured on real processes: Kafka, PostgreSQL, every worker."""
