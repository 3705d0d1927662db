//! Landfall's one tool.
fn main() {}
