"""Checks of the Terraform stack: without Terraform, with it, and on a local emulator."""
