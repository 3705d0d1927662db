//! Implementations of the store port.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(any(test, feature = "contract"))]
pub mod contract_conflicts;
#[cfg(test)]
mod contract_tests;
pub mod memory;
#[cfg(feature = "service")]
pub mod sqlite;
#[cfg(feature = "service")]
mod sqlite_conflicts;
#[cfg(feature = "service")]
mod sqlite_rows;

/// How many ids are left out when a new epoch begins. Those that were given after the backup was taken are known to devices, and
/// would mean other records if they were given again.
pub const IDS_LEFT_OUT: u64 = 1_000_000;

/// Runs each of the async functions named, which take a store, as a test over every implementation of the port.
#[cfg(test)]
macro_rules! over_every_store {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::memory::MemoryStore::new("epoch-1")).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("data.sqlite");
                super::$test($crate::store::sqlite::SqliteStore::open(&file, None).await.unwrap()).await;
            })*
        }
    };
}
#[cfg(test)]
pub(crate) use over_every_store;
