"""What goes wrong on purpose: at the ports, on the wire, and in a stream's shards."""
