"""What is told to operators: logs, metrics and the system clock."""
