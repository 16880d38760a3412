"""DynamoDB in memory, speaking the service's own JSON."""
