"""What the collector adds to an event, or takes out of it, before anything of it is stored; see `order`."""
