//! Parents and children: what follows from the one for the other, and what hangs in the air.
//!
//! The schema's foreign keys make a hierarchy ([`Schema::relations`](crate::schema::Schema::relations)). [`rollups`] keeps
//! what is derived upwards: it is the last step of every entry. [`integrity`] finds what refers to nothing, [`orphans`]
//! does about it what a person decides.

pub mod integrity;
pub mod orphans;
pub mod rollups;
