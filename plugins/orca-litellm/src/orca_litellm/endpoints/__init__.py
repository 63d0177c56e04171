"""Where requests go: transports, and the pool that paces them."""
