"""What goes wrong in the embedded cloud.

`plan` tells how often, `cloud` brings it to its places: the clients of AWS, the `proxy` before the stores,
the load balancer, invocations; `resharding` and `foreign_writer` are other people's work on the stream.
"""
