//! How each need is met: looked for first, installed or built if it is missing or old.

pub(crate) mod artifacts;
pub(crate) mod browsers;
pub(crate) mod node;
pub(crate) mod rust;
pub(crate) mod tools;
