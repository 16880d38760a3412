"""From other senders' words to ours: what every wire format needs, one file each."""
