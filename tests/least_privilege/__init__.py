"""Every AWS call of the functions, held against their own policies. Shown on an emulator only."""
