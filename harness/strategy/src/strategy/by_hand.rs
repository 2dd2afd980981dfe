use std::sync::Arc;

use quarrel_checkers::{Key, Value};

use super::{AnyStrategy, Session, Strategy};
use crate::stores::{Row, StoreError};

/// How an operator works: a write is a manual change.
pub struct ByHand(pub Arc<dyn AnyStrategy>);

impl Strategy for ByHand {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        self.0.read(session, key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        self.0.manual(session, key, value).await
    }
}
