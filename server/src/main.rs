//! Landfall's sync server.
fn main() {}
