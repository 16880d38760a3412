"""What goes wrong in the embedded cloud: `plan` says how often; `foreign_writer` shares the stream."""
