//! A server that leads the bridge to addresses inside the network of its user.
