"""What siblings share: durable files, a guarded HTTP client, single flights, freshness."""
