//! Landfall's decisions: plain functions over plain data, and the engine over ports.
