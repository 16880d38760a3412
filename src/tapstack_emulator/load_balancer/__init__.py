"""An internal Application Load Balancer in front of Lambda functions."""
