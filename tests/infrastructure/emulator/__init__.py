"""A local AWS emulator that conforms to what Terraform expects: moto and the patches of this folder.

What passes here was shown on an emulator only.
"""
