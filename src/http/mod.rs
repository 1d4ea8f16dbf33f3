//! HTTP: one agent, its timeouts, and nothing else that opens a socket.
