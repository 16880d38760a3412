"""The applied Terraform stack as something that the embedded cloud can run."""
