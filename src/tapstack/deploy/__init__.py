"""What people run: packages for Lambda, the bucket that holds Terraform's state."""
