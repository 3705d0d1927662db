//! Landfall in a browser: the edges of the engine.
