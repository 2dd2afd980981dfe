use std::sync::Arc;

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    stores::{Row, StoreError},
    strategy::{Session, Strategy, StrategyEntry},
};

use super::aside::{Aside, OPTIONS};

/// Cache-aside, and a call for operators: whoever fixes a row by hand does it
/// there, and the call deletes the entry.
///
/// As `cache-aside`, and manual changes are invalidated like any write. It
/// holds as far as everybody uses it.
#[derive(Clone, Copy, Debug)]
pub struct AdminApi(pub Aside);

pub(super) const ENTRY: StrategyEntry = StrategyEntry {
    name: "admin-api",
    summary: "cache-aside; manual changes go through a call that updates and invalidates",
    source: file!(),
    options: OPTIONS,
    build: |options| Ok(Arc::new(AdminApi(Aside::from_options(options)?))),
};

impl Strategy for AdminApi {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let version = session.primary().write(key, value).await?;
        self.0.invalidate(session, key).await?;
        Ok(version)
    }
    async fn manual(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        self.write(session, key, value).await
    }
}
