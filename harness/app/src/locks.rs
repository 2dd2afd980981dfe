use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgConnection},
};
use tokio::sync::Mutex;

/// Who waits for locks on the primary.
pub(super) struct Locks {
    primary: PgConnectOptions,
    connection: Mutex<Option<PgConnection>>,
}

impl Locks {
    pub(super) fn new(primary: PgConnectOptions) -> Self {
        Self { primary, connection: Mutex::default() }
    }

    /// How many sessions wait for a lock right now. Whoever gives a lock up
    /// grants it to the next before it is answered itself, so that what
    /// `pg_locks` says after an answer is so; sessions that were granted one
    /// may take a while to notice.
    pub(super) async fn waiting(&self) -> Result<usize, String> {
        let mut held = self.connection.lock().await;
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.primary).await.map_err(|e| e.to_string())?,
        };
        let ask = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted";
        let count: i64 =
            sqlx::query_scalar(ask).fetch_one(&mut connection).await.map_err(|e| e.to_string())?;
        *held = Some(connection);
        Ok(usize::try_from(count).unwrap_or_default())
    }
}
